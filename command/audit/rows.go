package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
)

// compare holds the tables against what the log says.
func (r *replay) compare(ctx context.Context, tx pgx.Tx) error {
	row, err := pgstore.CounterRow(ctx, tx, r.ID)
	if err != nil {
		return err
	}
	if row.Version != r.Version {
		r.wrong(CheckRows, row.Version, "the counter row is at %d, the log at %d", row.Version, r.Version)
	}
	if !bytes.Equal(row.Chain, r.last.Chain) {
		r.wrong(CheckChain, row.Version, "the head in the counter row is not that of the log")
	}
	if !same(row.Counters, r.sum) {
		r.wrong(CheckCounters, row.Version, "the counter row says %s, the RSVPs add up to %s", text(row.Counters), text(r.sum))
	}
	if want := r.Event.Event; row.Event.Revision != row.Revision || text(row.Event) != text(want) {
		r.wrong(CheckRows, row.Version, "the event is %s at revision %d, the log says %s", text(row.Event), row.Revision, text(want))
	}
	return r.compareRSVPs(ctx, tx)
}

func (r *replay) compareRSVPs(ctx context.Context, tx pgx.Tx) error {
	seen := 0
	err := pgstore.EachRSVP(ctx, tx, r.ID, func(v *contract.RSVP, version int64, hasKey bool) {
		last, known := r.rsvps[v.ID]
		if !known {
			r.wrong(CheckRows, version, "RSVP %s has no message", v.ID)
			return
		}
		seen++
		if version != last.version || text(v) != text(last.rsvp) {
			r.wrong(CheckRows, version, "RSVP %s is %s at %d, its last message says %s at %d", v.ID, text(redacted(*v)), version,
				text(redacted(last.rsvp)), last.version)
		}
		if hasKey == v.Erased {
			r.wrong(CheckKeys, version, "RSVP %s: erased %t, data key %t", v.ID, v.Erased, hasKey)
		}
	})
	if err == nil && seen != len(r.rsvps) {
		r.wrong(CheckRows, r.Version, "the log has %d RSVPs, the table %d of them", len(r.rsvps), seen)
	}
	return err
}

// redacted keeps ciphertext out of a report.
func redacted(v contract.RSVP) contract.RSVP {
	v.Sealed = fmt.Appendf(nil, "%d bytes", len(v.Sealed))
	return v
}

const selectOrganizationLog = `SELECT organization_id, version, type, organization_id, valid_at, recorded_at, actor, reason,
	traceparent, payload, hash FROM organization_log ORDER BY organization_id, version`

// organizationHead is where the log of an organization ends, and what it says there.
type organizationHead struct {
	version int64
	chain   []byte
	body    contract.Organization
}

// organizations checks versions and chain of their log, and that the rows are what it says at its end.
func organizations(ctx context.Context, tx pgx.Tx, report *Report, each func(id string, chain [][]byte)) error {
	heads, chains := map[string]organizationHead{}, map[string][][]byte{}
	rows, err := tx.Query(ctx, selectOrganizationLog)
	if err != nil {
		return err
	}
	err = pgstore.EachLogRow(rows, func(m *contract.Envelope) {
		last := heads[m.Subject]
		if m.Version != last.version+1 {
			report.Add(CheckVersions, m.Subject, m.Version, "follows version %d", last.version)
		}
		if !bytes.Equal(m.ChainHash(last.chain), m.Chain) {
			report.Add(CheckChain, m.Subject, m.Version, "the hash is not that of the message and its predecessor")
		}
		body, err := m.Organization()
		if err != nil || body.Organization.ID != m.Subject {
			report.Add(CheckPayload, m.Subject, m.Version, "is not a message about this organization: %v", err)
		}
		heads[m.Subject] = organizationHead{m.Version, m.Chain, body.Organization}
		if chain := chains[m.Subject]; m.Version == int64(len(chain))+1 {
			chains[m.Subject] = append(chain, m.Chain)
		}
		report.Messages++
	})
	if err != nil {
		return err
	}
	for id, head := range heads {
		row, version, chain, err := pgstore.OrganizationRow(ctx, tx, id)
		switch {
		case errors.Is(err, pgstore.ErrNone):
			report.Add(CheckRows, id, head.version, "the log has an organization that the table has not")
		case err != nil:
			return err
		case version != head.version || !bytes.Equal(chain, head.chain):
			report.Add(CheckRows, id, version, "the row is at %d, the log at %d, or their chains differ", version, head.version)
		case text(bare(row)) != text(bare(head.body)):
			report.Add(CheckRows, id, version, "the organization and its members are %s, the log says %s", text(bare(row)), text(bare(head.body)))
		}
	}
	report.Organizations = len(heads)
	if each != nil {
		for id, chain := range chains {
			each(id, chain)
		}
	}
	return nil
}

// bare is an organization without what its members' accounts have by themselves, and with them in one order.
func bare(o contract.Organization) contract.Organization {
	members := o.Members
	o.Members = make([]contract.Member, len(members))
	for i, m := range members {
		o.Members[i] = contract.Member{AccountID: m.AccountID, Role: m.Role}
	}
	slices.SortFunc(o.Members, func(a, b contract.Member) int { return strings.Compare(a.AccountID, b.AccountID) })
	return o
}
