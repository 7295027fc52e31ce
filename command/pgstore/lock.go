//go:build !nolock

package pgstore

// forUpdate is the lock that orders everything about an event. NO KEY: an insert that refers to the row need not wait.
const forUpdate = "FOR NO KEY UPDATE"

// sameLog is the condition of updateCounter.
const sameLog = "AND version = $2 AND chain = $13"
