package notifier

import (
	"context"
	"encoding/json"
	"errors"
	netmail "net/mail"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/push"
)

// Pushes are planned beside mail: whatever plans a notice of a pushed kind
// plans one more for each device on which its guest wants that kind. What
// voids the one voids the other.

// alsoTo gives the pushes of a notice to one guest's devices.
func alsoTo(devices []notice.Device, n notice.Notice) []notice.Notice {
	if n.Channel != notice.ChannelMail || !n.Kind.Pushed() {
		return nil
	}
	var out []notice.Notice
	for _, d := range devices {
		if !wants(d, n.Kind) {
			continue
		}
		push := n
		push.Channel, push.Occurrence = notice.ChannelPush, notice.PushOccurrence(n.Occurrence, d.ID)
		push.Detail.Subscription = d.ID
		push.ID = notice.ID(n.RSVPID, n.Kind, push.Channel, push.Occurrence)
		out = append(out, push)
	}
	return out
}

func wants(d notice.Device, kind notice.Kind) bool {
	for _, k := range d.Kinds {
		if k == kind {
			return true
		}
	}
	return false
}

// Why a push is void, beside what voids mail.
const (
	VoidDeviceGone  = push.ReasonGone
	VoidDeviceKind  = "not-wanted-on-the-device"
	VoidLinkRevoked = "link-revoked" // the device was added with a manage link that is no longer good
	VoidUnderstood  = "answer-changed"
)

// newPush builds the channel's deliverer; nil when no key is set.
func (n *Notifier) newPush(cfg Config, like *deliverer) (*deliverer, string, error) {
	if cfg.Push.PrivateKey == "" {
		return nil, "", nil
	}
	contact := cfg.Mail.From
	if from, err := netmail.ParseAddress(contact); err == nil {
		contact = from.Address
	}
	forget := func(ctx context.Context, deviceID string) error {
		return n.store.ForgetDevice(ctx, deviceID, VoidDeviceGone, n.clock.Now().UTC())
	}
	channel, err := push.NewChannel(cfg.Push, contact, min(push.Timeout, cfg.Lease/2), forget)
	if err != nil {
		return nil, "", err
	}
	return &deliverer{
		channel: channel, store: like.store, keys: like.keys, clock: like.clock, log: like.log, metrics: like.metrics,
		holder: like.holder, workers: cfg.Push.Workers, lease: like.lease, recorded: like.recorded, identity: like.identity, wake: make(chan struct{}, 1),
	}, channel.PublicKey(), nil
}

// openDevice reads where a push goes, with the guest's own key.
func openDevice(d *notice.Device, keys seal.DataKeys) error {
	plain, err := seal.Open(keys.Keys[d.RSVPID], d.Sealed, d.ID)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, &d.Open); err != nil {
		return errors.New("not the JSON of an endpoint") // its error could quote it
	}
	return nil
}

// pushUseful is asked before a push goes, after what every notice is asked.
func pushUseful(d *notice.Delivery) (string, bool) {
	switch {
	case d.Device == nil:
		return VoidDeviceGone, false
	case d.Device.Epoch != d.Guest.Epoch:
		return VoidLinkRevoked, false
	case !wants(*d.Device, d.Notice.Kind):
		return VoidDeviceKind, false
	}
	// Later news is often no push of its own, so the answer itself is looked at.
	switch d.Notice.Kind {
	case notice.Offer:
		return VoidUnderstood, d.Guest.Status == contract.StatusOffered
	case notice.Promoted:
		return VoidUnderstood, d.Guest.Status == contract.StatusConfirmed
	default:
		return "", true
	}
}

// loadDevices reads the devices of guests that were known before this batch; a
// new guest has none.
func (b *batch) loadDevices(ctx context.Context) (err error) {
	known := make([]string, 0, len(b.stored))
	for id := range b.stored {
		known = append(known, id)
	}
	b.devices, err = b.tx.DevicesOf(ctx, known)
	return err
}
