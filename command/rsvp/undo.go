package rsvp

type undo struct{}
