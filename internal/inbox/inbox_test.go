package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, dir string, most int) (*Inbox, *httptest.Server, func()) {
	t.Helper()
	b, err := New(Config{SMTPAddr: "127.0.0.1:0", Dir: dir, MaxMessages: most, MaxBytes: 1 << 30}, discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	pages := httptest.NewServer(b.Handler())
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		pages.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return b, pages, stop
}

func send(t *testing.T, b *Inbox, to, subject, extra string) {
	t.Helper()
	body := fmt.Sprintf("From: a@example.org\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n%s", to, subject, subject, extra)
	if err := smtp.SendMail(b.Addr(), nil, "a@example.org", []string{to}, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func list(t *testing.T, url string) []Message {
	t.Helper()
	_, body := get(t, url)
	var answer struct{ Items []Message }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return answer.Items
}

func TestMailIsThereNewestFirstAndAsReceived(t *testing.T) {
	t.Parallel()
	b, pages, _ := start(t, t.TempDir(), 100)
	before := time.Now().Add(-time.Second)
	send(t, b, "Ana@Example.org", "one", "\r\nfirst\r\n")
	send(t, b, "bo@example.org", "two", "\r\nsecond\r\n")
	send(t, b, "ana@example.org", "three", "\r\nthird\r\n")

	all := list(t, pages.URL+"/inbox/messages")
	if len(all) != 3 || all[0].Subject != "three" || all[2].Subject != "one" {
		t.Fatalf("list: %+v", all)
	}
	ana := list(t, pages.URL+"/inbox/messages?to=ana@EXAMPLE.org")
	if len(ana) != 2 || ana[1].To != "Ana@Example.org" || ana[1].From != "a@example.org" || ana[1].MessageID != "one@example.org" || ana[1].At.Before(before) {
		t.Fatalf("to ana: %+v", ana)
	}
	status, raw := get(t, pages.URL+"/inbox/messages/"+ana[1].ID+".eml")
	if status != 200 || !strings.HasPrefix(raw, "From: a@example.org\r\n") || !strings.HasSuffix(raw, "\r\nfirst\r\n") {
		t.Fatalf("%d %q", status, raw)
	}
}

func TestMailOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, _, stop := start(t, dir, 100)
	send(t, b, "ana@example.org", "kept", "\r\n.\r\n")
	stop()
	_, pages, _ := start(t, dir, 100)
	if got := list(t, pages.URL+"/inbox/messages?to=ana@example.org"); len(got) != 1 || got[0].Subject != "kept" {
		t.Fatalf("after restart: %+v", got)
	}
}

func TestTheOldestGoWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	b, pages, _ := start(t, t.TempDir(), 3)
	for i := range 5 {
		send(t, b, "ana@example.org", fmt.Sprintf("n%d", i), "\r\nx\r\n")
	}
	got := list(t, pages.URL+"/inbox/messages")
	if len(got) != 3 || got[2].Subject != "n2" {
		t.Fatalf("kept: %+v", got)
	}
}

func TestAMailCannotReachOutOfItsFrame(t *testing.T) {
	t.Parallel()
	b, pages, _ := start(t, t.TempDir(), 3)
	send(t, b, "ana@example.org", "<script>alert(1)</script>", "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n"+
		"--x\r\nContent-Type: text/html\r\n\r\n<html><head></head><body><script>parent.alert(1)</script><img src=\"cid:q\"></body></html>\r\n"+
		"--x\r\nContent-Type: image/png\r\nContent-ID: <q>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--x--\r\n")
	m := list(t, pages.URL+"/inbox/messages")[0]
	_, shown := get(t, pages.URL+"/inbox?id="+m.ID)
	if strings.Contains(shown, "<script>") || !strings.Contains(shown, `sandbox="allow-popups`) {
		t.Fatalf("page:\n%s", shown)
	}
	resp, err := http.Get(pages.URL + "/inbox/messages/" + m.ID + "/html")
	if err != nil {
		t.Fatal(err)
	}
	html, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "sandbox") || strings.Contains(policy, "allow-scripts") || !strings.Contains(policy, "default-src 'none'") {
		t.Fatalf("policy %q", policy)
	}
	if !strings.Contains(string(html), "data:image/png;base64,AAAA") {
		t.Fatalf("picture is not in it: %s", html)
	}
	if status, _ := get(t, pages.URL+"/inbox/messages/..%2f..%2fetc%2fpasswd.eml"); status != 404 {
		t.Fatalf("a path as an id: %d", status)
	}
}
