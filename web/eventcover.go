package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
)

// uploadCover passes the file of the form on as it is.
func (p *pages) uploadCover(c *gin.Context) {
	picture, err := formFile(c, "picture") // first: what is too large is told to who reads it first
	if err != nil {
		p.overviewAgain(c, "cover", err)
		return
	}
	id, headers := url.PathEscape(c.Param("id")), steering(c)
	headers["Content-Type"] = http.DetectContentType(picture)
	version, err := p.api.write(c.Request.Context(), http.MethodPut, "/v1/events/"+id+"/cover", bytes.NewReader(picture), nil, headers)
	if err != nil {
		p.overviewAgain(c, "cover", err)
		return
	}
	c.Redirect(http.StatusSeeOther, withVersion("/o/events/"+id, nil, version, "cover"))
}

func formFile(c *gin.Context, name string) ([]byte, error) {
	file, _, err := c.Request.FormFile(name)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &problem{Status: http.StatusRequestEntityTooLarge, Code: "body-too-large", Detail: "The file is too large: a picture has at most 8 MiB."}
	case err != nil:
		return nil, &problem{Status: http.StatusBadRequest, Code: "invalid-input", Detail: "Please choose a picture first."}
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(file)
}

// ownCover is the picture for members: a browser asks for that of a draft without a token.
func (p *pages) ownCover(c *gin.Context) {
	target := p.api.command + "/v1/events/" + url.PathEscape(c.Param("id")) + "/cover"
	res, err := p.api.open(c.Request.Context(), target, by(c, "If-None-Match", c.GetHeader("If-None-Match")))
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	for _, name := range []string{"Content-Type", "ETag", "Content-Security-Policy"} {
		if v := res.Header.Get(name); v != "" {
			c.Header(name, v)
		}
	}
	c.Header("Cache-Control", "private, no-cache")
	c.Status(res.StatusCode)
	p.passOn(c, res.Body)
}
