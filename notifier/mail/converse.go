package mail

import (
	"bytes"
	"context"
	"errors"
	"net/textproto"
	"strings"
	"sync"

	"github.com/wneessen/go-mail/smtp"
)

// The stages of a letter's conversation. From stageData on the server may have
// enough of it to take it.
const (
	stageMail = iota
	stageRcpt
	stageAsk
	stageData
	stageDone
)

// converse sends commands in one go to a server that takes them so (PIPELINING, RFC 2920), and the message in one write.
// go-mail asks and waits for each, and looks at the message byte by byte.
func (s *Server) converse(ctx context.Context, c *smtp.Client, l *Letter) (stage int, err error) {
	if err := c.UpdateDeadline(s.timeout); err != nil {
		return stageMail, err
	}
	if stage, err := ask(c, l); err != nil {
		return stage, err
	}
	if err := send(c, l.Raw); err != nil {
		return stageData, err
	}
	// The server may look into the message before it answers, and has it whatever becomes of us.
	if err := c.UpdateDeadline(s.reply); err != nil {
		return stageDone, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.UpdateDeadline(0) })
	_, _, err = c.Text.ReadResponse(250)
	stop()
	_ = c.UpdateDeadline(s.timeout) // of what a connection says when it is closed
	return stageDone, err
}

// ask names sender and recipient and asks to send. The first refusal counts; a server that wants the message in spite of
// it gets an empty one, which goes to nobody (RFC 2920, 3.1).
func ask(c *smtp.Client, l *Letter) (stage int, err error) {
	from := "MAIL FROM:<" + l.From + ">"
	if offered, _ := c.Extension("8BITMIME"); offered {
		from += " BODY=8BITMIME"
	}
	if l.international() {
		from += " SMTPUTF8" // not unasked: a server further on that lacks it would send the mail back
	}
	together, _ := c.Extension("PIPELINING")
	commands := [...]string{stageMail: from, stageRcpt: "RCPT TO:<" + l.To + ">", stageAsk: "DATA"}
	wanted := [...]int{stageMail: 250, stageRcpt: 25, stageAsk: 354}
	for i, command := range commands {
		if strings.ContainsAny(command, "\r\n") {
			return i, errors.New("smtp: an address of two lines")
		}
	}
	for i := range commands {
		switch {
		case together && i == stageMail:
			_, err = c.Text.W.WriteString(strings.Join(commands[:], "\r\n") + "\r\n")
		case !together:
			_, err = c.Text.W.WriteString(commands[i] + "\r\n")
		}
		if err == nil {
			err = c.Text.W.Flush()
		}
		if err != nil {
			return i, err
		}
		if _, _, err = c.Text.ReadResponse(wanted[i]); err != nil {
			return i, settled(c, err, together, len(commands)-1-i)
		}
	}
	return stageAsk, nil
}

// settled reads the answers to what was sent together with a command that was refused, and gives why it was.
func settled(c *smtp.Client, why error, together bool, left int) error {
	var reply *textproto.Error
	if !together || !errors.As(why, &reply) {
		return why
	}
	for ; left > 0; left-- {
		_, _, err := c.Text.ReadResponse(354) // only the last is an answer to DATA
		if err == nil {
			_, _ = c.Text.W.WriteString(".\r\n") // a connection that failed shows it to whoever uses it next
			_ = c.Text.W.Flush()
			_, _, err = c.Text.ReadResponse(250)
		}
		if err != nil && !errors.As(err, &reply) {
			break
		}
	}
	return why
}

// wires have room for a mail as it goes over the wire.
var wires = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 14<<10)) }}

// send writes the message in one go.
func send(c *smtp.Client, raw []byte) error {
	wire, _ := wires.Get().(*bytes.Buffer)
	defer wires.Put(wire)
	wire.Reset()
	onWire(wire, raw)
	if _, err := c.Text.W.Write(wire.Bytes()); err != nil {
		return err
	}
	return c.Text.W.Flush()
}

// onWire writes a message as DATA wants it (RFC 5321, 4.5.2): every line ends in CRLF, one that begins with a dot has
// another before it, and a line of one dot is the end. net/textproto does the same byte by byte.
func onWire(to *bytes.Buffer, raw []byte) {
	from := 0 // what is before it is written
	for line := 0; line < len(raw); {
		if raw[line] == '.' {
			to.Write(raw[from:line])
			to.WriteByte('.')
			from = line
		}
		length := bytes.IndexByte(raw[line:], '\n')
		if length < 0 {
			break
		}
		end := line + length
		if end == 0 || raw[end-1] != '\r' {
			to.Write(raw[from:end])
			to.WriteString("\r\n")
			from = end + 1
		}
		line = end + 1
	}
	if to.Write(raw[from:]); !bytes.HasSuffix(raw, []byte("\n")) {
		to.WriteString("\r\n")
	}
	to.WriteString(".\r\n")
}
