package mail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/turnout-events/turnout/notifier/notice"
)

// script is a server that answers each command with what stands there for its first word, once per line; "." is the end
// of a message.
func script(t *testing.T, pipelining bool, answers map[string][]string, took chan<- string) *Server {
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
			if !pipelining && r.R.Buffered() > 0 {
				t.Errorf("more behind %q, unasked", line)
			}
			took <- line
			answer := "250 fine"
			if a := answers[word]; len(a) > 0 {
				answer, answers[word] = a[0], a[1:]
			} else if word == "EHLO" && pipelining {
				answer = "250-here\r\n250 PIPELINING"
			} else if word == "DATA" {
				answer = "354 go on"
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
				answer = "250 taken"
				if a := answers["."]; len(a) > 0 {
					answer, answers["."] = a[0], a[1:]
				}
				if say(answer); strings.HasPrefix(answer, "421") {
					return
				}
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
	const whole = "MAIL FROM:<a@turnout.example> | RCPT TO:<b@example.org> | DATA | message Subject: x\n\nwords\n"
	for _, pipelining := range []bool{true, false} {
		for _, c := range []struct {
			name    string
			answers map[string][]string
			refused string
		}{
			{"taken", nil, ""},
			{"sender refused", map[string][]string{"MAIL": {"550 5.1.8 no"}, "RCPT": {"503 first MAIL"}, "DATA": {"503 first RCPT"}}, "smtp 550 5.1.8"},
			{"recipient refused", map[string][]string{"RCPT": {"550 5.1.1 nobody"}, "DATA": {"554 no recipients"}}, "smtp 550 5.1.1"},
			{"recipient refused, and yet the data wanted", map[string][]string{"RCPT": {"451 later"}}, "smtp 451"},
			{"message refused", map[string][]string{".": {"554 5.7.1 spam"}}, "smtp 554 5.7.1"},
			{"message not taken, for the server goes", map[string][]string{".": {"421 4.3.2 bye"}}, "smtp 421 4.3.2"},
			{"data refused", map[string][]string{"DATA": {"452 4.3.1 full"}}, "smtp 452 4.3.1"},
		} {
			t.Run(fmt.Sprintf("%s, pipelining %t", c.name, pipelining), func(t *testing.T) {
				t.Parallel()
				took := make(chan string, 100)
				answers := map[string][]string{}
				for word, answer := range c.answers {
					if pipelining || strings.Contains(answer[0], c.refused[len("smtp "):]) { // one by one it hears no more
						answers[word] = answer
					}
				}
				s := script(t, pipelining, answers, took)
				err := s.Send(t.Context(), letter())
				var refusal *notice.Refusal
				if errors.As(err, &refusal) != (c.refused != "") || refusal == nil && err != nil || refusal != nil && refusal.Words != c.refused {
					t.Fatalf("%v", err)
				}
				if first := said(took); strings.Contains(first, "Subject") != (c.refused == "" || c.answers["."] != nil) {
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
	s := script(t, true, map[string][]string{"MAIL": {"250 fine", "421 bye"}}, took)
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
	took := make(chan string, 100)
	s := script(t, true, map[string][]string{}, took)
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
}

// It is what the standard library writes, byte by byte.
func TestAMessageIsOnTheWireAsDATAWantsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", ".", "\r\n", "\n"})).Draw(t, "raw"), "")
		var want, got bytes.Buffer
		b := bufio.NewWriter(&want)
		w := textproto.NewWriter(b).DotWriter()
		_, err := io.WriteString(w, raw)
		if err := errors.Join(err, w.Close(), b.Flush()); err != nil {
			t.Fatal(err)
		}
		if onWire(&got, []byte(raw)); got.String() != want.String() {
			t.Fatalf("%q, expected %q", got.String(), want.String())
		}
	})
}

// A server that looks into a message for longer than all the rest may take is waited for: who hangs up sends it again.
func TestTheAnswerToAMessageIsWaitedFor(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	for _, stopped := range []bool{false, true} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		returned := make(chan struct{})
		server := newSink(t, "127.0.0.1:0")
		server.data = func() error {
			if stopped {
				stop()
				<-returned
			} else {
				<-time.After(2 * timeout)
			}
			return nil
		}
		s, err := NewServer(ServerConfig{Addr: server.addr, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		err = s.Send(ctx, &Letter{From: "a@turnout.example", To: "b@example.org", Raw: []byte("x\r\n")})
		if errors.Is(err, notice.ErrInDoubt) != stopped || err != nil && !stopped {
			t.Errorf("stopped %t: %v", stopped, err)
		}
		close(returned)
	}
}
