package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// keepPlans is said once on each connection that decides.
//
// A plan made while the tables are small must not scan them later: prepared statements keep their plan. And they must
// keep it: for an array of one the planner thinks a new plan worth it, every time. Planning was a third of what a
// transaction of one RSVP took (0.25 of 0.8 ms, docs/performance.md). What must scan all the same looks dear enough then
// to be compiled, hence the last. What else runs on these connections is found by indices too.
const keepPlans = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off"

// plansKept is on the connection itself, for it is the session that has the settings: its scratch.
const plansKept = "turnout plans kept"

// acquire takes a connection whose prepared statements keep their plans.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	if scratchOf(conn) != nil {
		return conn, nil
	}
	if err := conn.Conn().PgConn().Exec(ctx, keepPlans).Close(); err != nil {
		conn.Release()
		return nil, err
	}
	own := &scratch{}
	knowArrays(conn.Conn().TypeMap(), own)
	conn.Conn().PgConn().CustomData()[plansKept] = own
	return conn, nil
}

// scratchOf gives the memory of a connection that acquire has given.
func scratchOf(conn *pgxpool.Conn) *scratch {
	s, _ := conn.Conn().PgConn().CustomData()[plansKept].(*scratch)
	return s
}
