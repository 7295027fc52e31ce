//go:build nolock

package pgstore

// Without the lock the race tests must fail: a test builds with this tag and expects that, so that a suite which
// could not find the race is found out.
const forUpdate = ""

const sameLog = "AND $2::bigint IS NOT NULL AND $13::bytea IS NOT NULL"
