//go:build !duckdb_arrow

package duck

// Without its tag the driver has no Arrow interface. The error that this line
// gives is what a build without the tag prints.
const _ int = "build Trueup with: make build (or: go build -tags duckdb_arrow)"
