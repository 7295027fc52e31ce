package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/migrations"
)

func migrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("migrate", stderr)
	to := f.Int64("to", -1, "a version to go up or down to; -1 is the newest")
	draw := f.Bool("draw", false, "print the schema as it then is, as a Mermaid diagram (docs/er.md)")
	if err := parse(f, args); err != nil {
		return err
	}
	s, err := load[settings]()
	if err != nil {
		return err
	}
	version, err := postgres.MigrateTo(ctx, s.Postgres.URL, migrations.FS, *to)
	if err != nil {
		return err
	}
	if !*draw {
		_, err = fmt.Fprintf(stdout, "the schema is at version %d\n", version)
		return err
	}
	return drawSchema(ctx, s.Postgres.URL, stdout)
}

func drawSchema(ctx context.Context, url string, w io.Writer) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	diagram, err := postgres.Draw(ctx, conn)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, erPage, diagram)
	return err
}

const erPage = `# The schema of the write store

Drawn from the migrated database by ` + "`make er`" + `. A solid line is a foreign key. A dotted one is a reference that the
lock of the event's counter row keeps true instead: the check would cost a lock per answer (docs/adr).

` + "```mermaid\n%s```\n"
