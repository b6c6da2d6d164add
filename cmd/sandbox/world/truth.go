package world

import (
	"slices"
	"time"
)

// Op is what an edit or an effect did.
type Op string

// The operations.
const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Edit is something a person did in a system's own screens.
type Edit struct {
	Seq    int64     `json:"seq"` // counts from 1
	At     time.Time `json:"at"`
	System string    `json:"system"`
	Entity string    `json:"entity"`
	ID     string    `json:"id"`
	Key    string    `json:"key"`
	Was    string    `json:"was,omitempty"` // the key before, where the edit changed it
	By     string    `json:"by"`
	Op     Op        `json:"op"`
	Silent bool      `json:"silent,omitempty"` // a delete that no listing will tell
	Before Values    `json:"before,omitempty"` // of the fields that changed
	After  Values    `json:"after,omitempty"`

	Version int64 `json:"version"` // that it made
}

// Effect is what one request did to one record.
type Effect struct {
	Seq     int64             `json:"seq"` // counts from 1
	Request int64             `json:"request"`
	At      time.Time         `json:"at"`
	System  string            `json:"system"`
	Entity  string            `json:"entity"`
	ID      string            `json:"id"`
	Key     string            `json:"key"`
	Op      Op                `json:"op"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"` // those that make a write safe, and the client's request ID
	Body    string            `json:"body,omitempty"`
	Before  Values            `json:"before,omitempty"`
	After   Values            `json:"after,omitempty"`
	Version int64             `json:"version"` // that it made
}

// Shown is a record in an answer.
type Shown struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	Spoiled bool   `json:"spoiled,omitempty"` // one of its values was broken
}

// Serve is an answer that showed records.
type Serve struct {
	Request   int64   `json:"request"`
	System    string  `json:"system"`
	Entity    string  `json:"entity"`
	Delivered bool    `json:"delivered"` // false: the answer was lost or cut
	Records   []Shown `json:"records"`
}

// Request is a request as it arrived.
type Request struct {
	N      int64     `json:"n"` // counts from 1, over all systems
	At     time.Time `json:"at"`
	System string    `json:"system"`
	Entity string    `json:"entity,omitempty"`
	Call   Call      `json:"call"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	Status int       `json:"status"`          // that was sent, or would have been
	Fault  Kind      `json:"fault,omitempty"` // that hit it
	Effect int64     `json:"effect,omitempty"`
}

// truth is what happened, in order.
type truth struct {
	edits    []Edit
	effects  []Effect
	serves   []Serve
	requests []Request
}

// Edits lists what people did.
func (w *World) Edits() []Edit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.truth.edits)
}

// Effects lists what requests did.
func (w *World) Effects() []Effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.truth.effects)
}

// Serves lists the answers that showed records.
func (w *World) Serves() []Serve {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.truth.serves)
}

// Requests lists every request that arrived, also those that got no answer.
func (w *World) Requests() []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.truth.requests)
}
