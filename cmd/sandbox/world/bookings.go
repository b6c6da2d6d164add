package world

import (
	"math/rand/v2"
	"time"
)

// The canonical fields of a booking.
const (
	Code      = "code"       // the key; equal after trim and upper
	Channel   = "channel"    // where the booking was made
	ListingID = "listing_id" // the lodging
	CheckIn   = "check_in"   // a date, YYYY-MM-DD
	CheckOut  = "check_out"  // a date after check_in
	GuestName = "guest_name"
	Price     = "price"  // decimal(12,2), always with two places
	Status    = "status" // pending, confirmed, cancelled, completed
	Notes     = "notes"  // "" and null are two values
)

func bookingEntity() *entity {
	return &entity{name: Bookings, one: "booking", key: []string{Code}, check: checkStay,
		fields: []field{{Code, code(), true}, {Channel, term(), true}, {ListingID, term(), false}, {CheckIn, date(), true}, {CheckOut, date(), true},
			{GuestName, text(), false}, {Price, amount(), false}, {Status, oneOf("pending", "confirmed", "cancelled", "completed"), true}, {Notes, text(), false}},
		rules: map[string][]string{"": {PMS, Staybnb, Voyago}, GuestName: {Staybnb, Voyago, PMS}}, // guests write their own names on their channel
		conflicts: map[string]Conflict{CheckIn: {Rule: Hold}, CheckOut: {Rule: Hold}, Notes: {Rule: Latest, Skew: 2 * time.Minute},
			Status: {Rule: Priority, Order: []string{Staybnb, Voyago, PMS}}},
		habit: habit{weight: 60, mix: Mix{Authority: 65, Other: 10, Both: 5, Create: 12, Delete: 8}, dying: []string{PMS, Staybnb, Voyago},
			// A code stays what it is, and so does the channel, which decides where a booking belongs.
			edits: []string{ListingID, CheckIn, GuestName, GuestName, Price, Price, Status, Notes, Notes},
			make:  newBooking, where: bookedIn, value: bookingValue},
	}
}

// bookedIn is where people make a booking: a guest at the channel, or the front
// desk in the PMS for what has none.
func bookedIn(v Values) string {
	switch channel := v.Get(Channel); channel {
	case Staybnb, Voyago:
		return channel
	}
	return PMS
}

// newBooking makes up a booking around a day.
func newBooking(r *rand.Rand, n int64, around time.Time) Values {
	v := Values{Code: Text(newCode(n))}
	v[Channel] = Text(pick(r, []string{Staybnb, Staybnb, Staybnb, "direct", Voyago, "Óbidos Tours"}))
	v[ListingID] = Text(listing(1 + r.IntN(listings)))
	v[CheckIn], v[CheckOut] = stay(r, around)
	v[GuestName] = guestName(r)
	v[Price] = price(r)
	v[Status] = Text(pick(r, []string{"pending", "confirmed", "confirmed", "confirmed", "cancelled", "completed"}))
	v[Notes] = note(r)
	return v
}

func bookingValue(r *rand.Rand, field string, now time.Time) Values {
	switch field {
	case ListingID:
		return Values{field: Text(listing(1 + r.IntN(listings)))}
	case CheckIn, CheckOut:
		in, out := stay(r, now)
		return Values{CheckIn: in, CheckOut: out}
	case GuestName:
		return Values{field: guestName(r)}
	case Price:
		return Values{field: price(r)}
	case Status:
		return Values{field: Text(pick(r, []string{"pending", "confirmed", "cancelled", "completed"}))}
	default:
		return Values{Notes: note(r)}
	}
}

// stay is a check-in and a check-out around a day.
func stay(r *rand.Rand, around time.Time) (in, out *string) {
	from := around.AddDate(0, 0, r.IntN(180)-30)
	return Text(from.Format(time.DateOnly)), Text(from.AddDate(0, 0, 1+r.IntN(14)).Format(time.DateOnly))
}
