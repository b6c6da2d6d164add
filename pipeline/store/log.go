package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Log writes one line per call of s: at debug level when it was answered, also
// by a lost race or "does not exist", and at info level when it failed: the caller
// has the error, and tells it once. Contents are never logged. Around Retry that is
// one line per call, whatever it took.
func Log(s Store, log *slog.Logger) Store {
	return &observed{Store: s, tell: func(ctx context.Context, c call) {
		level := slog.LevelDebug
		attrs := []slog.Attr{slog.String("op", c.op), slog.String("key", c.key)}
		if c.read > 0 {
			attrs = append(attrs, slog.Int64("bytes_read", c.read))
		}
		if c.written > 0 {
			attrs = append(attrs, slog.Int64("bytes_written", c.written))
		}
		if c.objects > 0 {
			attrs = append(attrs, slog.Int64("objects", c.objects))
		}
		if c.err != nil {
			attrs = append(attrs, slog.String("kind", fault.KindOf(c.err).String()), slog.String("error", c.err.Error()))
			if !answered(c.err) {
				level = slog.LevelInfo
			}
		}
		log.LogAttrs(ctx, level, "store", attrs...)
	}}
}

// Told is p with a line at debug level for each failure that is tried again.
func Told(p Policy, log *slog.Logger) Policy {
	wait := p.Wait
	if wait == nil {
		wait = Backoff
	}
	p.Wait = func(try int, err error) time.Duration {
		pause := wait(try, err)
		log.Debug("store: tried again", "try", try, "pause", pause, "kind", fault.KindOf(err).String(), "error", err.Error())
		return pause
	}
	return p
}
