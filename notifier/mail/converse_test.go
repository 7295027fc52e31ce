package mail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
)

// extensions are what a scripted server offers.
type extensions struct{ pipelining, chunking bool }

func (e extensions) String() string {
	return fmt.Sprintf("pipelining %t, chunking %t", e.pipelining, e.chunking)
}

var everyExtension = []extensions{{}, {pipelining: true}, {chunking: true}, {pipelining: true, chunking: true}}

// script is a server that answers each command with what stands there for its first word, once per line.
func script(t *testing.T, offers extensions, answers map[string][]string, took chan<- string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		r := textproto.NewReader(bufio.NewReader(conn))
		say := func(s string) { _, _ = fmt.Fprint(conn, s+"\r\n") }
		say("220 here")
		for {
			line, err := r.ReadLine()
			if err != nil {
				return
			}
			word, _, _ := strings.Cut(line, " ")
			if !offers.pipelining && word != "BDAT" && r.R.Buffered() > 0 {
				t.Errorf("more behind %q, unasked", line)
			}
			took <- line
			answer := "250 fine"
			if a := answers[word]; len(a) > 0 {
				answer, answers[word] = a[0], a[1:]
			} else if word == "EHLO" && offers.pipelining {
				answer = "250-here\r\n250 PIPELINING"
			} else if word == "DATA" {
				answer = "354 go on"
			}
			if word == "EHLO" && offers.chunking {
				answer = strings.Replace(answer, "250 ", "250-", 1) + "\r\n250 CHUNKING"
			}
			if word == "BDAT" {
				var size int
				if _, err := fmt.Sscanf(line, "BDAT %d LAST", &size); err != nil {
					t.Errorf("%q: %v", line, err)
					return
				}
				raw := make([]byte, size)
				if _, err := io.ReadFull(r.R, raw); err != nil {
					return
				}
				if strings.HasPrefix(answer, "250") {
					took <- "message " + strings.ReplaceAll(string(raw), "\r\n", "\n")
				}
			}
			say(answer)
			if strings.HasPrefix(answer, "421") {
				return
			}
			if strings.HasPrefix(answer, "354") {
				raw, err := r.ReadDotBytes()
				if err != nil {
					return
				}
				took <- "message " + string(raw)
				say("250 taken")
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	s, err := NewServer(ServerConfig{Addr: l.Addr().String(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func said(took chan string) string {
	var lines []string
	for {
		select {
		case line := <-took:
			if !strings.HasPrefix(line, "EHLO") && line != "RSET" {
				lines = append(lines, line)
			}
		default:
			return strings.Join(lines, " | ")
		}
	}
}

// Whether a server takes commands together or one by one, it gets the same letter, and a refusal of any of them is told
// and spoils nothing of what comes next.
func TestAServerIsAskedTogetherAndOneByOne(t *testing.T) {
	t.Parallel()
	letter := func() *Letter {
		return &Letter{From: "a@turnout.example", To: "b@example.org", Raw: []byte("Subject: x\r\n\r\nwords\r\n")}
	}
	for _, offers := range everyExtension {
		whole := "MAIL FROM:<a@turnout.example> | RCPT TO:<b@example.org> | DATA | message Subject: x\n\nwords\n"
		if offers.chunking {
			whole = strings.Replace(whole, "DATA", "BDAT 21 LAST", 1)
		}
		for _, c := range []struct {
			name    string
			answers map[string][]string
			refused string
		}{
			{"taken", nil, ""},
			{"sender refused", map[string][]string{"MAIL": {"550 5.1.8 no"}, "RCPT": {"503 first MAIL"}, "DATA": {"503 first RCPT"}}, "smtp 550 5.1.8"},
			{"recipient refused", map[string][]string{"RCPT": {"550 5.1.1 nobody"}, "DATA": {"554 no recipients"}}, "smtp 550 5.1.1"},
			{"recipient refused, and yet the data wanted", map[string][]string{"RCPT": {"451 later"}}, "smtp 451"},
			{"data refused", map[string][]string{"DATA": {"452 4.3.1 full"}, "BDAT": {"452 4.3.1 full"}}, "smtp 452 4.3.1"},
		} {
			t.Run(fmt.Sprintf("%s, %s", c.name, offers), func(t *testing.T) {
				t.Parallel()
				took := make(chan string, 100)
				answers := map[string][]string{}
				for word, answer := range c.answers {
					if offers.chunking && word == "DATA" {
						continue
					}
					if offers.pipelining || strings.Contains(answer[0], c.refused[len("smtp "):]) { // one by one it hears no more
						answers[word] = answer
					}
				}
				s := script(t, offers, answers, took)
				err := s.Send(t.Context(), letter())
				var refusal *notice.Refusal
				if errors.As(err, &refusal) != (c.refused != "") || refusal == nil && err != nil || refusal != nil && refusal.Words != c.refused {
					t.Fatalf("%v", err)
				}
				if first := said(took); strings.Contains(first, "Subject") != (c.refused == "") {
					t.Errorf("said %q", first)
				}
				if err := s.Send(t.Context(), letter()); err != nil {
					t.Fatalf("the next: %v", err)
				}
				if next := said(took); next != whole {
					t.Errorf("the next: %q, expected %q", next, whole)
				}
			})
		}
	}
}

// One that hangs up on an idle connection gets the letter on a new one.
func TestAServerThatHangsUpGetsTheLetterAnew(t *testing.T) {
	t.Parallel()
	took := make(chan string, 100)
	s := script(t, extensions{pipelining: true}, map[string][]string{"MAIL": {"250 fine", "421 bye"}}, took)
	for range 2 {
		if err := s.Send(t.Context(), &Letter{From: "a@turnout.example", To: "b@example.org", Raw: []byte("x\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(said(took), "message x"); n != 2 {
		t.Errorf("%d letters", n)
	}
}

// What a server reads is what was written, whatever its lines are like.
func TestAMessageArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, offers := range everyExtension {
		t.Run(offers.String(), func(t *testing.T) {
			t.Parallel()
			took := make(chan string, 100)
			s := script(t, offers, map[string][]string{}, took)
			for _, raw := range []string{
				"a\r\nb\r\n", ".\r\n", "a\r\n.\r\nQUIT\r\n", "a\r\n..b\r\n", "a\nb\n", "a", "a\r\n.", "\r\n", "\n.\n", strings.Repeat("long line\r\n", 2000), "",
			} {
				if err := s.Send(t.Context(), &Letter{From: "a@turnout.example", To: "b@example.org", Raw: bytes.Clone([]byte(raw))}); err != nil {
					t.Fatal(err)
				}
				want := strings.ReplaceAll(raw, "\r\n", "\n")
				if !strings.HasSuffix(want, "\n") {
					want += "\n"
				}
				if _, got, _ := strings.Cut(said(took), "message "); got != want {
					t.Errorf("%q came as %q", raw, got)
				}
			}
		})
	}
}

// A server that refuses the recipient never sees the message: none of it could be taken for commands.
func TestWhatIsRefusedIsNotSent(t *testing.T) {
	t.Parallel()
	took := make(chan string, 100)
	s := script(t, extensions{pipelining: true, chunking: true}, map[string][]string{"RCPT": {"550 5.1.1 nobody"}}, took)
	err := s.Send(t.Context(), &Letter{From: "a@turnout.example", To: "b@example.org", Raw: []byte("x\r\n")})
	var refusal *notice.Refusal
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if all := said(took); strings.Contains(all, "BDAT") {
		t.Errorf("%q", all)
	}
}
