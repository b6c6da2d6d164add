// Package delta is Parquet in and out of Arrow batches: files of the lake,
// sorted by the hash of the key, bounded in bytes and read back before they
// count, and the local cache from which they are read. It must never name a file
// twice, give out bytes whose sum differs from the one that was committed, or
// change a row.
package delta
