package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
)

func TestKindOf(t *testing.T) {
	unknown := fault.New(fault.Unknown, "put", context.DeadlineExceeded)
	transient := fault.New(fault.Transient, "get", io.ErrUnexpectedEOF)
	for name, c := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"says nothing":          {io.EOF, fault.Permanent},
		"nil":                   {nil, fault.Permanent},
		"zero":                  {&fault.Error{}, fault.Permanent},
		"canceled":              {fmt.Errorf("x: %w", context.Canceled), fault.Canceled},
		"deadline":              {fmt.Errorf("x: %w", context.DeadlineExceeded), fault.Canceled},
		"unknown by deadline":   {fmt.Errorf("x: %w", unknown), fault.Unknown},
		"outermost decides":     {fault.New(fault.Transient, "list", io.EOF), fault.Transient},
		"joined: unknown":       {errors.Join(transient, unknown, io.EOF), fault.Unknown},
		"joined: permanent":     {errors.Join(transient, io.EOF, context.Canceled), fault.Permanent},
		"joined: transient":     {errors.Join(context.Canceled, transient), fault.Transient},
		"joined: lost race":     {errors.Join(fault.New(fault.LostRace, "", nil), transient), fault.LostRace},
		"joined below wrapping": {fmt.Errorf("all: %w", errors.Join(unknown, transient)), fault.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fault.KindOf(c.err); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if fault.Is(nil, fault.Permanent) {
		t.Error("no error is of a kind")
	}
}

func TestErrorSaysWhatWhereAndWhy(t *testing.T) {
	err := fault.New(fault.Permanent, "decode record", errors.New("not a date")).
		WithWhere(fault.Place{Stream: "bookings@airbnb", System: "airbnb", Partition: "7", Page: "p2", Record: "42"}).
		WithHelp("trueup validate --sample").WithNote("nothing was sent").WithCode("bad_date")
	want := "decode record: bookings@airbnb, partition 7, page p2, record 42: not a date"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	wrapped := fmt.Errorf("extract: %w", err)
	if got := fault.Describe(wrapped); got != "extract: "+want+"\nnothing was sent\nNext: trueup validate --sample" {
		t.Errorf("description: %s", got)
	}
	if fault.CodeOf(wrapped) != "bad_date" || fault.WhereOf(wrapped).Record != "42" {
		t.Error("code or place is lost in wrapping")
	}
	if (&fault.Error{Kind: fault.LostRace}).Error() != "lost race error" || fault.Describe(nil) != "" {
		t.Error("an empty error says at least its kind, and no error says nothing")
	}
}

func TestHelpIsFoundBelowAnErrorWithout(t *testing.T) {
	inner := fault.New(fault.Transient, "a", io.EOF).WithHelp("trueup doctor").WithRetryAfter(time.Minute)
	outer := fault.New(fault.Permanent, "b", errors.Join(io.EOF, inner)).WithRetryAfter(time.Second)
	if got := fault.HelpOf(outer); got != "trueup doctor" {
		t.Errorf("help: %q", got)
	}
	if got := fault.RetryAfterOf(outer); got != time.Minute {
		t.Errorf("retry after: %s", got)
	}
	if !errors.Is(outer, io.EOF) || fault.NoteOf(outer) != "" {
		t.Error("the reason is lost")
	}
}

func TestWithReturnsACopy(t *testing.T) {
	base := fault.New(fault.Permanent, "a", io.EOF)
	_ = base.WithHelp("x").WithNote("y").WithCode("z").WithRetryAfter(1).WithWhere(fault.Place{File: "f"})
	if base.Help+base.Note+base.Code != "" || base.RetryAfter != 0 || base.Where != (fault.Place{}) {
		t.Error("a shared error was changed")
	}
}

func TestPlace(t *testing.T) {
	for want, p := range map[string]fault.Place{
		"":                 {},
		"trueup.yaml":      {File: "trueup.yaml"},
		"trueup.yaml:3":    {File: "trueup.yaml", Line: 3},
		"trueup.yaml:3:9":  {File: "trueup.yaml", Line: 3, Column: 9},
		"airbnb":           {System: "airbnb"},
		"s3://b/log/1":     {Object: "s3://b/log/1"},
		"airbnb, record 4": {System: "airbnb", Record: "4"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
