package lake

import (
	"errors"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// What a commit, a reader or a run can meet. Test with errors.Is; each also has
// a kind of pipeline/fault.
var (
	// ErrFenced: a newer tenure began, or another committer took over the
	// system. Nothing of this one lands any more: stop, or begin again.
	ErrFenced = errors.New("fenced: a newer run took over")

	// ErrMoved: what the step was decided from has changed, and nothing of it
	// landed. Read the state and do the work again.
	ErrMoved = errors.New("moved: what this was decided from has changed")

	// ErrUnknown: it cannot be known whether the step landed. The committer is
	// finished: begin again from the state that a new tenure reads.
	ErrUnknown = errors.New("unknown: the commit may have landed")

	// ErrLeaseHeld: another run holds the lease and renews it.
	ErrLeaseHeld = errors.New("the lease is held by another run")

	// ErrLeaseLost: this run's lease is over by one of the clocks, or was taken.
	ErrLeaseLost = errors.New("the lease is lost")

	// ErrPinLost: the pin could not be renewed in time; what it held may be gone.
	ErrPinLost = errors.New("the pin is lost: begin again")

	// ErrNoLake: the store holds no lake.
	ErrNoLake = errors.New("there is no lake here")

	// ErrGone: the commit is older than what the store keeps.
	ErrGone = errors.New("the commit is below the horizon")

	// ErrDamaged: the store does not hold what a commit names, or holds
	// something else. Nothing goes on by itself.
	ErrDamaged = errors.New("the lake is damaged")
)

// Fenced reports whether err says that a newer run or attempt took over.
func Fenced(err error) bool { return errors.Is(err, ErrFenced) }

// kinds says what each error means to a caller that knows only kinds.
func kindOf(err error) fault.Kind {
	switch {
	case errors.Is(err, ErrUnknown):
		return fault.Unknown
	case errors.Is(err, ErrFenced), errors.Is(err, ErrMoved), errors.Is(err, ErrGone),
		errors.Is(err, ErrLeaseHeld), errors.Is(err, ErrLeaseLost), errors.Is(err, ErrPinLost):
		return fault.LostRace
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNoLake):
		return fault.Permanent
	}
	return fault.KindOf(err)
}

// codeOf is what each error is called in the list of codes; "" for other errors.
func codeOf(err error) string {
	for _, c := range []struct {
		err  error
		code string
	}{{ErrFenced, fault.CodeFenced}, {ErrMoved, fault.CodeCommitMoved}, {ErrUnknown, fault.CodeCommitUnknown}, {ErrLeaseHeld, fault.CodeLeaseHeld},
		{ErrLeaseLost, fault.CodeLeaseLost}, {ErrPinLost, fault.CodePinLost}, {ErrNoLake, fault.CodeNoLake}, {ErrGone, fault.CodeCommitGone},
		{ErrDamaged, fault.CodeLakeDamaged}} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return fault.CodeOf(err)
}

// failure places err: what was done and to which object.
func failure(op, object string, err error) *fault.Error {
	e := fault.New(kindOf(err), op, err).WithWhere(fault.Place{Object: object}).WithCode(codeOf(err))
	switch {
	case errors.Is(err, ErrNoLake):
		return e.WithHelp("trueup init")
	case errors.Is(err, ErrDamaged):
		return e.WithHelp("trueup doctor").WithNote("nothing was changed")
	case errors.Is(err, ErrLeaseHeld):
		return e.WithHelp("trueup status").WithNote("nothing was changed")
	}
	return e
}

// because says why a sentinel applies.
func because(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", sentinel, fmt.Sprintf(format, args...))
}
