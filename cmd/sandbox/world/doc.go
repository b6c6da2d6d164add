// Package world is the simulated rental world that the demo and the tests run
// against: a property-management system (PMS), two booking channels (staybnb and
// voyago), housekeeping (tidy) and an inbox (deskline), which hold bookings,
// availability, prices, messages and tasks. Each is a real HTTP server in an API
// style of its own, with people who edit records over simulated time, and with
// faults. A system and an entity are descriptions (systems.go, entity.go); one code
// serves them all.
//
// It keeps the truth: every version of every record, every edit by a person,
// every effect that a request had, and every answer that showed a record. Verify
// turns the truth into a proof that nothing was lost and nothing was done twice.
//
// Everything follows from the seed and the order of the calls. The package must
// never read a real clock for what it stores, wait in real time but for a slow answer, import the
// pipeline that it judges, or let a client see the truth: that is what the admin
// server is for.
package world
