package inbox

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageFile embed.FS

var page = template.Must(template.ParseFS(pageFile, "page.html"))

const (
	listLimit = 100
	mostLimit = 1000
)

// Handler serves the page and its JSON, all under /inbox. It is for the
// machine it runs on: it asks nobody who they are.
func (b *Inbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /inbox", b.servePage)
	mux.HandleFunc("GET /inbox/{$}", b.servePage)
	mux.HandleFunc("GET /inbox/messages", b.serveList)
	mux.HandleFunc("DELETE /inbox/messages", b.serveClear)
	mux.HandleFunc("GET /inbox/messages/{file}", b.serveRaw)
	mux.HandleFunc("GET /inbox/messages/{id}/html", b.serveHTML)
	mux.HandleFunc("GET /inbox/messages/{id}/files/{n}", b.serveFile)
	return mux
}

func (b *Inbox) serveList(w http.ResponseWriter, r *http.Request) {
	items := b.store.find(strings.TrimSpace(r.URL.Query().Get("to")), limit(r))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

// limit reads ?limit=; what is no number from 1 to mostLimit is the default.
func limit(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 || n > mostLimit {
		return listLimit
	}
	return n
}

func (b *Inbox) serveClear(w http.ResponseWriter, _ *http.Request) {
	b.store.clear()
	w.WriteHeader(http.StatusNoContent)
}

func (b *Inbox) serveRaw(w http.ResponseWriter, r *http.Request) {
	name, isMessage := strings.CutSuffix(r.PathValue("file"), suffix)
	if !isMessage {
		problem(w, errNoMessage)
		return
	}
	raw, err := b.store.raw(name)
	if err != nil {
		problem(w, err)
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(raw)
}

// serveHTML shows the HTML part with its pictures in it. The policy lets it do
// nothing but show: no scripts, no forms, nothing from elsewhere.
func (b *Inbox) serveHTML(w http.ResponseWriter, r *http.Request) {
	p, err := b.parts(r.PathValue("id"))
	if err != nil {
		problem(w, err)
		return
	}
	html := p.HTML
	for _, f := range p.Files {
		if f.ContentID != "" {
			html = strings.ReplaceAll(html, "cid:"+f.ContentID, "data:"+f.ContentType+";base64,"+base64.StdEncoding.EncodeToString(f.Body))
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("Referrer-Policy", "no-referrer") // its links carry tokens
	// Links open beside the inbox, or the frame would show the page.
	_, _ = w.Write([]byte(strings.Replace(html, "<head>", `<head><base target="_blank">`, 1)))
}

func (b *Inbox) serveFile(w http.ResponseWriter, r *http.Request) {
	p, err := b.parts(r.PathValue("id"))
	if err != nil {
		problem(w, err)
		return
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(p.Files) {
		problem(w, errNoMessage)
		return
	}
	f := p.Files[n]
	disposition := "attachment"
	if f.ContentType == "image/png" || f.ContentType == "image/jpeg" {
		disposition = "inline"
	}
	w.Header().Set("Content-Type", f.ContentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.Name}))
	_, _ = w.Write(f.Body)
}

func (b *Inbox) parts(messageID string) (*parts, error) {
	raw, err := b.store.raw(messageID)
	if err != nil {
		return nil, err
	}
	return read(raw)
}

// view is what the page shows: the list, and the message that ?id= names.
type view struct {
	To       string
	Items    []Message
	Open     *Message
	Parts    *parts
	Trouble  string
	Headers  []header
	Received int
}

type header struct{ Name, Value string }

func (b *Inbox) servePage(w http.ResponseWriter, r *http.Request) {
	v := view{To: strings.TrimSpace(r.URL.Query().Get("to"))}
	v.Items = b.store.find(v.To, listLimit)
	if open := r.URL.Query().Get("id"); open != "" {
		b.open(&v, open)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-src 'self'; form-action 'self'")
	if err := page.Execute(w, v); err != nil {
		b.log.WarnContext(r.Context(), "inbox page", "error", err)
	}
}

func (b *Inbox) open(v *view, messageID string) {
	p, err := b.parts(messageID)
	if err != nil {
		v.Trouble = "This message is not here (any more)."
		return
	}
	v.Parts = p
	m := describe(p.Header)
	m.ID = messageID
	for _, known := range b.store.find("", mostLimit) {
		if known.ID == messageID {
			m = known
		}
	}
	v.Open = &m
	for _, name := range []string{"From", "To", "Date", "Message-Id", "References", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		if value := p.Header.Get(name); value != "" {
			if plain, err := words.DecodeHeader(value); err == nil {
				value = plain
			}
			v.Headers = append(v.Headers, header{name, value})
		}
	}
}

// problem answers as the API does (RFC 9457).
func problem(w http.ResponseWriter, err error) {
	status, code, title := http.StatusInternalServerError, "internal", "The message cannot be read"
	if errors.Is(err, errNoMessage) {
		status, code, title = http.StatusNotFound, "not-found", "There is no such message"
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "/problems/" + code, "title": title, "status": status, "code": code})
}
