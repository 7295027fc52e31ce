// Package migrations carries the schema of the write store. Every file says
// why it exists, which locks it takes and how it is taken back.
package migrations

import "embed"

// FS holds NNNN_name.up.sql and NNNN_name.down.sql.
//
//go:embed *.sql
var FS embed.FS
