package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const drawColumns = `
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL),
       coalesce((SELECT string_agg(DISTINCT CASE k.contype WHEN 'p' THEN 'PK' WHEN 'f' THEN 'FK' WHEN 'u' THEN 'UK' END, ', ')
                 FROM pg_constraint k WHERE k.conrelid = c.oid AND a.attnum = ANY (k.conkey) AND k.contype IN ('p', 'f', 'u')), '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname NOT LIKE 'goose%'
ORDER BY n.nspname <> 'public', n.nspname, c.relname, a.attnum`

const drawReferences = `
SELECT pn.nspname, p.relname, cn.nspname, c.relname
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f'
ORDER BY p.relname, c.relname`

// Draw gives the schema as a Mermaid entity-relationship diagram. A solid line
// is a foreign key. A dotted one is a column <table>_id without a key behind
// it, because the writer's lock keeps it true.
func Draw(ctx context.Context, conn *pgx.Conn) (string, error) {
	columns, err := conn.Query(ctx, drawColumns)
	if err != nil {
		return "", fmt.Errorf("read columns: %w", err)
	}
	var out strings.Builder
	out.WriteString("erDiagram\n")
	var names []string
	pointsAt := map[string][]string{} // table → the tables its *_id columns name
	last := ""
	var schema, table, column, kind, keys string
	_, err = pgx.ForEachRow(columns, []any{&schema, &table, &column, &kind, &keys}, func() error {
		name := drawName(schema, table)
		if name != last {
			if last != "" {
				out.WriteString("    }\n")
			}
			fmt.Fprintf(&out, "    %s {\n", name)
			names, last = append(names, name), name
		}
		fmt.Fprintf(&out, "        %s %s %s\n", strings.ReplaceAll(strings.ReplaceAll(kind, " ", "_"), "[]", "_array"), column, keys)
		if target, ok := strings.CutSuffix(column, "_id"); ok && !strings.Contains(keys, "FK") {
			pointsAt[target] = append(pointsAt[target], name)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read columns: %w", err)
	}
	if last != "" {
		out.WriteString("    }\n")
	}
	references, err := conn.Query(ctx, drawReferences)
	if err != nil {
		return "", fmt.Errorf("read foreign keys: %w", err)
	}
	var parentSchema, parent, childSchema, child string
	if _, err = pgx.ForEachRow(references, []any{&parentSchema, &parent, &childSchema, &child}, func() error {
		fmt.Fprintf(&out, "    %s ||--o{ %s : \"\"\n", drawName(parentSchema, parent), drawName(childSchema, child))
		return nil
	}); err != nil {
		return "", fmt.Errorf("read foreign keys: %w", err)
	}
	for _, parent := range names {
		for _, child := range pointsAt[parent] {
			if child != parent {
				fmt.Fprintf(&out, "    %s ||..o{ %s : \"\"\n", parent, child)
			}
		}
	}
	return out.String(), nil
}

// drawName is the table, its schema before it unless that is public.
func drawName(schema, table string) string {
	if schema == "public" {
		return table
	}
	return schema + "_" + table
}
