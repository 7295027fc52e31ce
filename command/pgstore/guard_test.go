package pgstore_test

import (
	"testing"

	"github.com/turnout-events/turnout/internal/postgres"
)

// What the database refuses by itself, should the rules ever err: seats beyond
// the capacity, a version that goes back, a second answer of one address, and
// any change of the log. What organizers and guests may do passes.
func TestTheDatabaseGuardsWhatTheRulesPromise(t *testing.T) {
	t.Parallel()
	_, pool, e := openPool(t)
	const refused, passes = "23514", ""
	for _, c := range []struct{ name, before, update, code string }{
		{"the last seat", `capacity = 5, going = 4, held = 0`, `going = 5`, passes},
		{"one more than there are", `capacity = 5, going = 5, held = 0`, `going = 6`, refused},
		{"an offer beyond", `capacity = 5, going = 4, held = 1`, `held = 2`, refused},
		{"an offer that is taken", `capacity = 5, going = 4, held = 1`, `going = 5, held = 0`, passes},
		{"a capacity below those who go", `capacity = 5, going = 5, held = 0`, `capacity = 2`, passes},
		{"who leaves while there is no room", `capacity = 2, going = 5, held = 0`, `going = 4`, passes},
		{"who comes while there is no room", `capacity = 2, going = 3, held = 0`, `going = 4`, refused},
		{"a seat and a lower capacity at once", `capacity = 5, going = 4, held = 0`, `going = 5, capacity = 4`, refused},
		{"a larger capacity and its seats", `capacity = 5, going = 5, held = 0`, `going = 9, capacity = 9`, passes},
		{"anybody, without a capacity", `capacity = NULL, going = 5, held = 0`, `going = 5000`, passes},
		{"a capacity where there was none", `capacity = NULL, going = 5, held = 0`, `capacity = 1`, passes},
		{"a version that goes back", `capacity = 5, going = 0, held = 0`, `version = version - 1`, refused},
		{"the next version", `capacity = 5, going = 0, held = 0`, `version = version + 1`, passes},
	} {
		// Without the triggers, as nobody but this test may.
		for _, sql := range []string{
			`ALTER TABLE event_counter DISABLE TRIGGER USER`, `UPDATE event_counter SET version = 7, ` + c.before, `ALTER TABLE event_counter ENABLE TRIGGER USER`,
		} {
			if _, err := pool.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		_, err := pool.Exec(t.Context(), `UPDATE event_counter SET `+c.update)
		if code := postgres.Classify(err).Code; code != c.code {
			t.Errorf("%s: %q %v, want %q", c.name, code, err, c.code)
		}
	}

	answer := `INSERT INTO rsvp (id, event_id, email_hmac, status, response, party_size, sealed, body, version, created_at, updated_at)
		VALUES ($1, $2, $3, 'declined', 'not_going', 1, '', '{}', 1, now(), now())`
	for i, hmac := range [][]byte{{1}, {2}, nil, nil} { // any number may have no address
		if _, err := pool.Exec(t.Context(), answer, newID(t), e.ID, hmac); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if _, err := pool.Exec(t.Context(), answer, newID(t), e.ID, []byte{1}); postgres.Classify(err).Kind != postgres.Unique {
		t.Errorf("an address answered twice: %v", err)
	}
	for _, sql := range []string{
		`UPDATE event_log SET actor = 'me'`, `DELETE FROM event_log`, `TRUNCATE event_log`,
		`UPDATE organization_log SET actor = 'me'`, `DELETE FROM organization_log`, `TRUNCATE organization_log`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: done", sql)
		}
	}
}
