package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/turnout-events/turnout/internal/id"
)

// Message is what the list shows of a received message.
type Message struct {
	ID        string    `json:"id"` // UUIDv7: sorted by arrival
	From      string    `json:"from"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	At        time.Time `json:"at"`
	MessageID string    `json:"message_id"`

	size int64
}

// store keeps messages as files, so that they outlive the process, and their
// heads in memory. The oldest go when there are too many. Safe for concurrent use.
type store struct {
	dir      string
	maxCount int
	maxBytes int64

	mu    sync.RWMutex
	list  []Message // oldest first
	bytes int64
}

// The envelope stands before the message as received, in headers that no mail
// has by itself: Bcc and aliases would be lost otherwise.
const (
	headerFrom = "X-Inbox-Mail-From"
	headerTo   = "X-Inbox-Rcpt-To"
	headerAt   = "X-Inbox-Received"
	suffix     = ".eml"
)

func openStore(dir string, maxCount int, maxBytes int64) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	s := &store{dir: dir, maxCount: maxCount, maxBytes: maxBytes}
	for _, f := range files { // sorted by name, which is by arrival
		name, isMessage := strings.CutSuffix(f.Name(), suffix)
		if !isMessage || !id.Valid(name) {
			continue
		}
		head, size, err := readHead(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // a file that a crash cut short: its message was never acknowledged
		}
		m := describe(head)
		m.ID, m.size = name, size
		s.list = append(s.list, m)
		s.bytes += size
	}
	s.shrink()
	return s, nil
}

// headLimit is more than the headers of any mail that the list is for.
const headLimit = 32 << 10

func readHead(path string) (mail.Header, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	buf := make([]byte, min(info.Size(), headLimit))
	n, err := f.Read(buf)
	if err != nil {
		return nil, 0, err
	}
	m, err := mail.ReadMessage(bytes.NewReader(buf[:n]))
	if err != nil {
		return nil, 0, err
	}
	return m.Header, info.Size(), nil
}

var words = &mime.WordDecoder{}

func describe(h mail.Header) Message {
	at, _ := time.Parse(time.RFC3339Nano, h.Get(headerAt))
	subject, err := words.DecodeHeader(h.Get("Subject"))
	if err != nil {
		subject = h.Get("Subject")
	}
	return Message{
		From: h.Get(headerFrom), To: h.Get(headerTo), Subject: subject, At: at.UTC(),
		MessageID: strings.Trim(h.Get("Message-Id"), "<>"),
	}
}

// add keeps a message of one recipient. It is on disk, under its final name,
// when add returns: only then the server says 250.
func (s *store) add(from, to string, raw []byte, at time.Time) error {
	name, err := id.New()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\r\n%s: %s\r\n%s: %s\r\n", headerFrom, clean(from), headerTo, clean(to), headerAt, at.UTC().Format(time.RFC3339Nano))
	b.Write(raw)
	path := filepath.Join(s.dir, name+suffix)
	if err := os.WriteFile(path+".part", b.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	m := Message{From: from, To: to, At: at.UTC()}
	if parsed, err := mail.ReadMessage(bytes.NewReader(b.Bytes())); err == nil {
		m = describe(parsed.Header)
	}
	m.ID, m.size = name, int64(b.Len())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, m)
	if n := len(s.list); n > 1 && s.list[n-2].ID > m.ID { // two at once overtook each other
		slices.SortFunc(s.list, func(a, b Message) int { return strings.Compare(a.ID, b.ID) })
	}
	s.bytes += m.size
	s.shrink()
	return nil
}

func clean(s string) string { return strings.Join(strings.Fields(s), " ") }

// shrink drops the oldest beyond the bounds. The caller holds the lock.
func (s *store) shrink() {
	drop := 0
	for drop < len(s.list) && (len(s.list)-drop > s.maxCount || s.bytes > s.maxBytes) {
		s.bytes -= s.list[drop].size
		_ = os.Remove(filepath.Join(s.dir, s.list[drop].ID+suffix)) // gone already is as good
		drop++
	}
	if drop > 0 {
		s.list = append([]Message(nil), s.list[drop:]...)
	}
}

// find lists messages to an address (all if empty), newest first, at most limit.
func (s *store) find(to string, limit int) []Message {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := []Message{}
	for i := len(s.list) - 1; i >= 0 && len(out) < limit; i-- {
		if to == "" || strings.EqualFold(s.list[i].To, to) {
			out = append(out, s.list[i])
		}
	}
	return out
}

var errNoMessage = errors.New("no such message")

// raw gives the message as it was received.
func (s *store) raw(messageID string) ([]byte, error) {
	if !id.Valid(messageID) {
		return nil, errNoMessage // also keeps paths out
	}
	b, err := os.ReadFile(filepath.Join(s.dir, messageID+suffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoMessage
	}
	if err != nil {
		return nil, err
	}
	for range 3 { // the envelope
		_, after, found := bytes.Cut(b, []byte("\r\n"))
		if !found {
			return nil, errNoMessage
		}
		b = after
	}
	return b, nil
}

// clear forgets everything.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.list {
		_ = os.Remove(filepath.Join(s.dir, m.ID+suffix))
	}
	s.list, s.bytes = nil, 0
}
