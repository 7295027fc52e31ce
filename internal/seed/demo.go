package seed

import (
	"bytes"
	_ "embed"
)

// demo is the project's own set of events, made up; demo/README.md tells the
// fields. Their dates are relative to the day of loading.
//
//go:embed demo/events.jsonl
var demo []byte

// Demo gives the demo set, or its first limit rows.
func Demo(limit int) (Input, error) {
	rows, bad, err := ReadRows(bytes.NewReader(demo), limit)
	return Input{Rows: rows, Bad: bad, Name: "demo"}, err
}
