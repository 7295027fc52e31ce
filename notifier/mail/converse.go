package mail

import (
	"bytes"
	"errors"
	"net/textproto"
	"strconv"
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

// converse sends commands in one go to a server that takes them so (PIPELINING, RFC 2920), and the message in one write:
// as it is to a server that takes it by its length (CHUNKING, RFC 3030), which spares both sides looking for its end.
// go-mail asks and waits for each, and looks at the message byte by byte.
func (s *Server) converse(c *smtp.Client, l *Letter) (stage int, err error) {
	if err := c.UpdateDeadline(s.timeout); err != nil {
		return stageMail, err
	}
	chunk, _ := c.Extension("CHUNKING")
	if stage, err := ask(c, l, chunk); err != nil {
		return stage, err
	}
	wire, _ := wires.Get().(*bytes.Buffer)
	defer wires.Put(wire)
	if wire.Reset(); chunk {
		writeChunk(wire, l.Raw)
	} else {
		writeDotted(wire, l.Raw)
	}
	if _, err := c.Text.W.Write(wire.Bytes()); err != nil {
		return stageData, err
	}
	if err := c.Text.W.Flush(); err != nil {
		return stageData, err
	}
	_, _, err = c.Text.ReadResponse(250)
	return stageDone, err
}

// wires have room for a mail with its command.
var wires = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 14<<10)) }}

// ask names sender and recipient, and asks to send where the message does not come by its length. The message is never
// part of it: one that was sent before anything was answered would be in doubt whenever a server hangs up. The first
// refusal counts; a server that wants the message in spite of it gets an empty one, which goes to nobody (RFC 2920, 3.1).
func ask(c *smtp.Client, l *Letter, chunk bool) (stage int, err error) {
	from := "MAIL FROM:<" + l.From + ">"
	for _, extension := range [...][2]string{{"8BITMIME", " BODY=8BITMIME"}, {"SMTPUTF8", " SMTPUTF8"}} {
		if offered, _ := c.Extension(extension[0]); offered {
			from += extension[1]
		}
	}
	together, _ := c.Extension("PIPELINING")
	all := [...]string{stageMail: from, stageRcpt: "RCPT TO:<" + l.To + ">", stageAsk: "DATA"}
	wanted := [...]int{stageMail: 250, stageRcpt: 25, stageAsk: 354}
	commands := all[:]
	if chunk {
		commands = all[:stageAsk]
	}
	for i, command := range commands {
		if strings.ContainsAny(command, "\r\n") {
			return i, errors.New("smtp: an address of two lines")
		}
	}
	for i := range commands {
		switch {
		case together && i == stageMail:
			_, err = c.Text.W.WriteString(strings.Join(commands, "\r\n") + "\r\n")
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

// writeChunk writes a message as BDAT wants it: its length, and lines that end in CRLF.
func writeChunk(to *bytes.Buffer, raw []byte) {
	if !bytes.HasSuffix(raw, []byte("\r\n")) || bytes.Count(raw, []byte("\n")) != bytes.Count(raw, []byte("\r\n")) {
		var lines bytes.Buffer
		writeLines(&lines, raw, "")
		raw = lines.Bytes()
	}
	to.WriteString("BDAT ")
	to.WriteString(strconv.Itoa(len(raw)))
	to.WriteString(" LAST\r\n")
	to.Write(raw)
}

// writeDotted writes a message as DATA wants it (RFC 5321, 4.5.2): every line ends in CRLF, one that begins with a dot
// has another before it, and a line of one dot is the end. net/textproto does the same byte by byte.
func writeDotted(to *bytes.Buffer, raw []byte) {
	writeLines(to, raw, ".")
	to.WriteString(".\r\n")
}

// writeLines ends every line in CRLF, and puts dot before those that begin with one.
func writeLines(to *bytes.Buffer, raw []byte, dot string) {
	for more := true; more; {
		var line []byte
		line, raw, more = bytes.Cut(raw, []byte("\n"))
		if bytes.HasPrefix(line, []byte(".")) {
			to.WriteString(dot)
		}
		to.Write(bytes.TrimSuffix(line, []byte("\r")))
		to.WriteString("\r\n")
		more = more && len(raw) > 0
	}
}
