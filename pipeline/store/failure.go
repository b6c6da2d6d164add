package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Failure makes the error of an implementation: what was tried on which object
// of the store at url, and why it failed. The kind of this package's own
// answers is fixed: a failed precondition is a lost race, a conflict is
// transient. url must be free of credentials.
func Failure(kind fault.Kind, op, url, key string, err error) error {
	switch {
	case errors.Is(err, ErrPrecondition):
		kind = fault.LostRace
	case errors.Is(err, ErrConflict):
		kind = fault.Transient
	case errors.Is(err, ErrNotExist):
		kind = fault.Permanent
	}
	return &fault.Error{Kind: kind, Op: op, Where: fault.Place{Object: objectURL(url, key)}, Err: err}
}

// Canceled is the error of a call that found its context ended before it did
// anything, or nil.
func Canceled(ctx context.Context, op, url, key string) error {
	if err := ctx.Err(); err != nil {
		return Failure(fault.Canceled, op, url, key, err)
	}
	return nil
}

func objectURL(url, key string) string {
	if key == "" {
		return url
	}
	base, _, _ := strings.Cut(url, "?")
	return strings.TrimSuffix(base, "/") + "/" + key
}

const maxKeyBytes, maxPartBytes = 900, 200

// CheckKey refuses a key that one of the stores could not keep: keys are UTF-8,
// slash-separated, relative and clean, at most 900 bytes with parts of at most
// 200, and no part begins with a dot, since such names are a store's own.
func CheckKey(key string) error {
	reason := ""
	switch {
	case key == "":
		reason = "it is empty"
	case len(key) > maxKeyBytes:
		reason = fmt.Sprintf("it is longer than %d bytes", maxKeyBytes)
	case !utf8.ValidString(key):
		reason = "it is not UTF-8"
	case strings.Contains(key, "\\") || strings.ContainsFunc(key, unicode.IsControl):
		reason = "it holds a backslash or a control character"
	default:
		reason = checkParts(key)
	}
	if reason == "" {
		return nil
	}
	return fault.New(fault.Permanent, "check key", fmt.Errorf("%q is no key of a store: %s", key, reason))
}

func checkParts(key string) string {
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return "it has an empty part"
		case part[0] == '.':
			return "a part begins with a dot"
		case len(part) > maxPartBytes:
			return fmt.Sprintf("a part is longer than %d bytes", maxPartBytes)
		}
	}
	return ""
}

// CheckRange refuses ranges that some store cannot be asked for: offset must not
// be negative and length must not be 0. A negative length reads to the end.
func CheckRange(offset, length int64) error {
	if offset < 0 || length == 0 {
		return fault.New(fault.Permanent, "check range", fmt.Errorf("offset %d, length %d is no range", offset, length))
	}
	return nil
}

// CheckWithin refuses a range that does not lie within an object of size bytes:
// a reader that asks for more than there is was told a wrong size.
func CheckWithin(offset, length, size int64) error {
	if (offset == 0 && length < 0) || (offset < size && length <= size-offset) {
		return nil
	}
	return fmt.Errorf("offset %d, length %d lies outside of its %d bytes", offset, length, size)
}
