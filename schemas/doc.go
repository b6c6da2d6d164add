// Package schemas says what a value is: the field types, their one canonical
// text, their hashes, and their mapping to Arrow, Parquet, DuckDB and JSON.
// Two values are equal exactly when their types and canonical texts are, in Go
// and in SQL. The package must never guess a type, round a number that its type
// can hold, or accept what it cannot give back: it refuses, with the reason.
package schemas
