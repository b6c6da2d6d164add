package world

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// check says why a system would not accept a booking.
func (b Booking) check() error {
	if b.Key() == "" {
		return errors.New("a booking needs a code")
	}
	if b[Channel] == nil || b.Get(Channel) == "" {
		return errors.New("a booking needs a channel")
	}
	if err := checkStatus(b[Status]); err != nil {
		return err
	}
	if b[Price] != nil {
		if _, err := cents(b.Get(Price)); err != nil {
			return err
		}
	}
	return checkStay(b[CheckIn], b[CheckOut])
}

func checkStatus(v *string) error {
	if v == nil {
		return errors.New("a booking needs a status")
	}
	switch *v {
	case "pending", "confirmed", "cancelled", "completed":
		return nil
	}
	return fmt.Errorf("status %q is none of pending, confirmed, cancelled, completed", *v)
}

func checkStay(in, out *string) error {
	if in == nil || out == nil {
		return errors.New("a booking needs a check-in and a check-out")
	}
	from, err := time.Parse(time.DateOnly, *in)
	if err != nil {
		return fmt.Errorf("check-in %q is no date", *in)
	}
	to, err := time.Parse(time.DateOnly, *out)
	if err != nil {
		return fmt.Errorf("check-out %q is no date", *out)
	}
	if !from.Before(to) {
		return fmt.Errorf("check-out %s is not after check-in %s", *out, *in)
	}
	return nil
}

// cents reads an amount of exactly two places, of at most twelve digits.
func cents(text string) (int64, error) {
	whole, part, ok := strings.Cut(text, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !ok || len(part) != 2 || digits == "" || len(digits) > 10 {
		return 0, fmt.Errorf("amount %q is no decimal of two places", text)
	}
	n, err := strconv.ParseInt(whole+part, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q is no decimal of two places", text)
	}
	return n, nil
}
