package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

// ordinary sends with net/http, as most load generators written in Go do: several times the CPU of conn, which on a
// machine that also runs the server lowers every figure, and that of the quickest handler most.
type ordinary struct {
	client *http.Client
	addr   string
	body   []byte
}

func newOrdinary(addr string, within time.Duration) *ordinary {
	return &ordinary{addr: addr, client: &http.Client{
		Timeout: within,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1,
			DisableCompression: true,
		},
	}}
}

func (o *ordinary) do(request []byte) (status int, body []byte, err error) {
	req, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(request), len(request)))
	if err != nil {
		return 0, nil, err
	}
	req.RequestURI, req.URL.Scheme, req.URL.Host = "", "http", o.addr
	res, err := o.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b := bytes.NewBuffer(o.body[:0])
	_, err = io.Copy(b, res.Body)
	o.body = b.Bytes()
	return res.StatusCode, o.body, err
}

func (o *ordinary) close() { o.client.CloseIdleConnections() }
