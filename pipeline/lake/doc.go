// Package lake keeps the state of a project as one chain of numbered commits
// over an object store: what a commit is, who may put the next one, what every
// answer of the store to that put means, how long readers may hold a commit,
// and which files nobody can need any more.
//
// It stands on two promises of the store, put-if-absent and compare-and-swap,
// and on no clock: a clock only decides how long something is kept. It must
// never fall back to an older commit because the newest cannot be read, clean
// up after a put whose outcome is unknown, put a commit again under another
// number without looking whether it is in, or open a data file.
//
// The files follow the life of a commit: head.go (which commit counts),
// tenure.go (who may commit), step.go and draft.go (what a commit changes),
// stands.go (when it still stands on another head), land.go (the put and its
// answers), group.go (several at once), decide.go and compact.go (people and
// compaction, who open nothing), pin.go, horizon.go and collect.go (what may be
// deleted), lease.go (sparing two runs the same work).
//
// A commit of k changed tables costs k puts of manifests, side by side, then the
// put of the commit and one read of the horizon. Nothing is listed or read again
// unless another commit was faster.
package lake
