package pgstore

// columns turns rows into one array per column, for unnest.
type columns struct{ cols [][]any }

// row adds a row; every row has the same columns.
func (c *columns) row(values ...any) {
	if c.cols == nil {
		c.cols = make([][]any, len(values))
	}
	for i, v := range values {
		c.cols[i] = append(c.cols[i], v)
	}
}

// args are the columns as arguments of a statement.
func (c *columns) args() []any {
	out := make([]any, len(c.cols))
	for i, col := range c.cols {
		out[i] = col
	}
	return out
}
