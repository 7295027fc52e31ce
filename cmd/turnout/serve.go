package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/migrations"
)

// serve runs every role in one process, in the order in which they need each
// other: who serves keys before who asks for them, the origin last.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("serve", stderr)
	if err := parse(f, args); err != nil {
		return err
	}
	s, err := newSystem(env.ToMap(os.Environ()), stderr)
	if err != nil {
		return err
	}
	if err := s.addAll(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(stdout, "turnout: starting on http://"+s.Web.Addr)
	return s.run(ctx)
}

// addAll is every role; the end-to-end tests start the same.
func (s *system) addAll(ctx context.Context) error {
	if err := postgres.Migrate(ctx, s.Postgres.URL, migrations.FS); err != nil {
		return err
	}
	s.add(newTopics(s.Kafka, s.log))
	for _, add := range []func(context.Context) error{
		s.addRelay, s.addCommand, s.addProjector, s.addQuery, s.addNotifier, s.addWeb,
	} {
		if err := add(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alone is a subcommand that runs one role; every process brings the topics
// and, where it has the database, the schema up to date.
func alone(name string, schema bool, add func(*system, context.Context) error) func(context.Context, []string, io.Writer, io.Writer) error {
	return func(ctx context.Context, args []string, _, stderr io.Writer) error {
		if err := parse(flags(name, stderr), args); err != nil {
			return err
		}
		s, err := newSystem(env.ToMap(os.Environ()), stderr)
		if err != nil {
			return err
		}
		if schema {
			if err := postgres.Migrate(ctx, s.Postgres.URL, migrations.FS); err != nil {
				return err
			}
		}
		if name != "web" && name != "query" {
			s.add(newTopics(s.Kafka, s.log))
		}
		if err := add(s, ctx); err != nil {
			return err
		}
		return s.run(ctx)
	}
}
