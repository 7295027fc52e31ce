package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/notice"
)

const (
	// manyReminders are due at the same moment.
	manyReminders = 50_000
	// ofBare is the least share of a bare loop's rate, lateAtMost the p99 in milliseconds below capacity.
	ofBare, lateAtMost = 0.7, 1000
	// mailSilence: whoever sends nothing for so long has stopped.
	mailSilence = 30 * time.Second
)

// reminders has 50,000 reminders due at one moment, and compares with a loop that does nothing but send: as many mails of
// the same size, over as many connections, to the same server, in the same run.
func reminders(ctx context.Context, o options) (rows []row, err error) {
	p, err := newPostOffice(ctx, o, manyReminders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	_, size, err := p.burst(ctx, 1000) // warm, and how large a reminder is
	if err != nil {
		return nil, err
	}
	var bare, turnout, share, wrong, same, cpu, keyCPU, dbCPU series
	err = alternate(o.rounds, func() error {
		rate, err := p.bare(ctx, manyReminders, size)
		bare = append(bare, rate)
		return err
	}, func() error {
		rate, err := p.unrecorded(ctx, manyReminders)
		same = append(same, rate)
		return err
	}, func() error {
		used, keys, postgres := p.children[1].cpu(), p.children[0].cpu(), backendCPU(p.database)
		rate, _, err := p.burst(ctx, manyReminders)
		_, again, _ := p.sink.arrived()
		turnout, wrong = append(turnout, rate), append(wrong, float64(again))
		cpu, keyCPU = append(cpu, us(p.children[1].cpu()-used, manyReminders)), append(keyCPU, us(p.children[0].cpu()-keys, manyReminders))
		dbCPU = append(dbCPU, us(backendCPU(p.database)-postgres, manyReminders))
		return err
	})
	if err != nil {
		return nil, err
	}
	share = turnout.over(bare)
	return []row{
		turnout.row(fmt.Sprintf("%d reminders due at one moment", manyReminders), "mails/s"),
		bare.row(fmt.Sprintf("bare go-mail loop, %d connections, %d bytes", mailWorkers, size), "mails/s"),
		share.row("share of the bare loop", "ratio").atLeast(ofBare),
		same.row("loop that writes the same mails and records nothing", "mails/s"), turnout.over(same).row("share of that loop", "ratio"),
		cpu.row("CPU of the notifier", "µs/mail"), keyCPU.row("CPU of command, for the keys", "µs/mail"), dbCPU.row("CPU of Postgres, planning them too", "µs/mail"),
		wrong.row("reminders that came twice", "mails").exactly(0),
	}, nil
}

// burst has n reminders due at one moment and gives how many went a second from then on, and their size. The notifier
// looks for what is due every 250 ms; that is part of it.
func (p *postOffice) burst(ctx context.Context, n int) (rate float64, size int, err error) {
	due := time.Now().Add(time.Duration(n)*300*time.Microsecond + 5*time.Second).UTC().Truncate(time.Microsecond) // planning takes less
	if _, err := p.owe(ctx, n, func(int) time.Time { return due }); err != nil {
		return 0, 0, err
	}
	if time.Now().After(due) {
		return 0, 0, errors.New("planning the reminders took longer than until they were due")
	}
	if err := waitUntil(ctx, due); err != nil {
		return 0, 0, err
	}
	if err := p.sink.await(ctx, n, mailSilence); err != nil {
		mails, _, _ := p.sink.arrived()
		var states string
		look := p.db.QueryRow(ctx, `SELECT string_agg(line, ', ') FROM (SELECT format('%s %s %s', count(*), state, outcome) AS line
			FROM notifier.notification GROUP BY state, outcome) AS l`).Scan(&states)
		return 0, 0, errors.Join(fmt.Errorf("%d of %d reminders: %w (%s); the notifier's log ends with: %s", mails, n, err, states, tail(p.children[1].log)), look)
	}
	_, _, size = p.sink.arrived()
	return float64(n) / p.sink.last().Sub(due).Seconds(), size, p.recorded(ctx)
}

// recorded waits until the notifier has written down that everything is sent, and told it: the next block begins with
// nothing left to do.
func (p *postOffice) recorded(ctx context.Context) error {
	end := time.Now().Add(mailSilence)
	for {
		var left int
		err := p.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM notifier.notification WHERE state <> 'sent') + (SELECT count(*) FROM notifier.outbox)`).Scan(&left)
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d reminders or outcomes are not recorded", left)
		}
		if err := waitUntil(ctx, time.Now().Add(50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// bare sends n mails with nothing but go-mail, and gives how many went a second.
func (p *postOffice) bare(ctx context.Context, n, size int) (float64, error) {
	if err := p.sink.reset(); err != nil {
		return 0, err
	}
	host, portText, err := net.SplitHostPort(p.sink.addr)
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return 0, err
	}
	// A reminder is a tenth plain text, a fifth the ticket's picture in base64, and HTML.
	line := "as long as a reminder is, so that both arms write the same\r\n"
	text, html := strings.Repeat(line, size/10/len(line)), strings.Repeat(line, size*7/10/len(line))
	picture := make([]byte, size/5*3/4)
	var next atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range mailWorkers {
		g.Go(func() error {
			client, err := gomail.NewClient(host, gomail.WithPort(port), gomail.WithTLSPolicy(gomail.NoTLS))
			if err != nil {
				return err
			}
			if err := client.DialWithContext(ctx); err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			for {
				i := next.Add(1)
				if i > int64(n) {
					return nil
				}
				m := gomail.NewMsg()
				if err := errors.Join(m.From("mail@turnout.example"), m.To(fmt.Sprintf("guest-%d@example.net", i))); err != nil {
					return err
				}
				m.SetMessageIDWithValue(fmt.Sprintf("%d@turnout.example", i))
				m.Subject("An evening of measured music starts tomorrow")
				m.SetBodyString(gomail.TypeTextPlain, text)
				m.AddAlternativeString(gomail.TypeTextHTML, html)
				if err := m.EmbedReader("ticket.png", bytes.NewReader(picture), gomail.WithFileContentType("image/png")); err != nil {
					return err
				}
				if err := client.Send(m); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// unrecorded writes and sends the same n mails as the notifier does, over as many connections, with no rows, leases, keys
// or results: what is between it and the notifier is the price of sending each of them once, and what is between it and
// the bare loop is the price of their words and tickets.
func (p *postOffice) unrecorded(ctx context.Context, n int) (float64, error) {
	if err := p.sink.reset(); err != nil {
		return 0, err
	}
	links, err := mail.NewLinks(p.ring)
	if err != nil {
		return 0, err
	}
	writer, err := mail.NewWriter(mail.Config{From: "Turnout <mail@turnout.example>"}, p.env["TURNOUT_PUBLIC_URL"], p.ring, links)
	if err != nil {
		return 0, err
	}
	server, err := mail.NewServer(mail.ServerConfig{Addr: p.sink.addr})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	began := time.Now()
	err = each(ctx, mailWorkers, mailWorkers, func(ctx context.Context, worker int) error {
		for i := worker; i < n; i += mailWorkers {
			now := time.Now().UTC()
			d := &notice.Delivery{Event: &p.event, Guest: p.cards[i], Notice: notice.Notice{
				ID: p.guests[i], EventID: p.event.ID, OrganizationID: p.event.OrganizationID, RSVPID: p.guests[i], Kind: notice.Reminder,
				Channel: notice.ChannelMail, DueAt: now, UsefulUntil: p.event.Body.StartsAt, Detail: notice.Detail{Offset: "24h"},
			}}
			letter, err := writer.Letter(d, contract.Personal{Name: fmt.Sprintf("Guest %d", i), Email: fmt.Sprintf("guest-%d@example.net", i)}, now)
			if err != nil {
				return err
			}
			err = server.Send(ctx, letter)
			if letter.Release(); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(n) / time.Since(began).Seconds(), err
}
