package account

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
)

// A key is published before it signs and after it has stopped: at every moment
// every token that lives can be verified by who fetched the keys minutes ago.
func TestKeysRotateWithoutAGap(t *testing.T) {
	t.Parallel()
	const ttl = 30 * 24 * time.Hour
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var rows []pgstore.SigningKey
	published := map[time.Time][]string{}
	signed := map[string]time.Time{} // by key, when it signed last
	made := 0
	for at := now; at.Before(now.Add(100 * 24 * time.Hour)); at = at.Add(time.Minute) {
		p := planKeys(rows, at, ttl)
		if p.create {
			made++
			rows = append(rows, pgstore.SigningKey{KID: string(rune('a' + made)), CreatedAt: at})
		}
		for i := range rows {
			if slices.Contains(p.retire, rows[i].KID) {
				retired := at
				rows[i].RetiredAt = &retired
			}
		}
		rows = slices.DeleteFunc(rows, func(k pgstore.SigningKey) bool { return slices.Contains(p.forget, k.KID) })
		sign := planKeys(rows, at, ttl).sign
		var kids []string
		for _, k := range rows {
			kids = append(kids, k.KID)
		}
		published[at] = kids
		signed[sign] = at
		if before, ok := published[at.Add(-5*time.Minute)]; ok && !slices.Contains(before, sign) {
			t.Fatalf("%s: %s signs, and five minutes before it was not published", at, sign)
		}
		for kid, last := range signed {
			if at.Sub(last) <= time.Hour && !slices.Contains(kids, kid) {
				t.Fatalf("%s: tokens of %s live, and it is not published any more", at, kid)
			}
		}
		if len(kids) > 2 {
			t.Fatalf("%s: %d keys are published", at, len(kids))
		}
	}
	if made != 4 {
		t.Errorf("%d keys in 100 days, want 4", made)
	}
}

func TestPasswordsAreComparedByTheirOwnParameters(t *testing.T) {
	t.Parallel()
	hash, err := phc("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if ok, stale, err := check("correct horse", hash); !ok || stale || err != nil {
		t.Errorf("%v, %v, %v", ok, stale, err)
	}
	if ok, _, err := check("correct horse ", hash); ok || err != nil {
		t.Errorf("another password: %v, %v", ok, err)
	}
	// Of a password that nobody knows, with parameters that we would not choose.
	old := "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	if ok, stale, err := check("x", old); ok || !stale || err != nil {
		t.Errorf("an old hash: %v, %v, %v; want it to be marked", ok, stale, err)
	}
	for _, bad := range []string{"", "$", "$argon2i$v=19$m=64,t=1,p=1$YQ$YQ", "$argon2id$v=16$m=64,t=1,p=1$YQ$YQ",
		"$argon2id$v=19$m=64,t=0,p=1$YQ$YQ", "$argon2id$v=19$m=64,t=1,p=0$YQ$YQ", "$argon2id$v=19$m=64,t=1,p=1$YQ$YQ",
		strings.Replace(old, "m=64", "m=4294967295", 1), strings.Replace(old, "t=1", "t=4294967295", 1)} {
		if _, _, err := check("x", bad); err == nil {
			t.Errorf("hash %q was read", bad)
		}
	}
}

// Whatever a row of the accounts holds: no panic, what is taken can be computed on this machine, and is what it says.
func FuzzPHC(f *testing.F) {
	own, err := phc("correct horse")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "$", "$$$$$", own, own[:len(own)-1], own + "$", own + "=", "x" + own,
		strings.Replace(own, "m=", "m=-", 1), strings.Replace(own, "t=2", "t=99999999999", 1), strings.Replace(own, "p=1", "p=256", 1),
		strings.Replace(own, "p=1", "p=1,data=YQ", 1), strings.Replace(own, "argon2id", "argon2i", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePHC(text)
		if err != nil {
			return
		}
		if h.memory > mostMemory || h.passes == 0 || h.passes > mostPasses || h.lanes == 0 || len(h.key) < 16 || len(h.key) > 64 {
			t.Errorf("%q is taken as %+v", text, h)
		}
		if again, err := parsePHC(h.String()); err != nil || again.String() != h.String() {
			t.Errorf("%q is %s, and that is %s, %v", text, h, again, err)
		}
	})
}
