package world

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// The canonical fields of the calendar: a lodging's nights, and what they cost.
const (
	Night   = "night"    // a date; with listing_id the key
	Free    = "free"     // how many units can be booked
	MinStay = "min_stay" // nights
	Closed  = "closed"   // to arrivals

	Amount   = "amount" // decimal(12,2)
	Currency = "currency"
	Promo    = "promo" // what the price is called, or null
)

func availabilityEntity() *entity {
	return &entity{name: Availability, one: "night", key: []string{ListingID, Night},
		fields: []field{{ListingID, term(), true}, {Night, date(), true}, {Free, integer(), true}, {MinStay, integer(), false}, {Closed, flag(), true}},
		rules:  map[string][]string{"": {PMS, Staybnb, Voyago}},
		habit: habit{weight: 12, mix: Mix{Authority: 80, Other: 15, Both: 5}, edits: []string{Free, Free, Free, MinStay, Closed},
			make: func(r *rand.Rand, n int64, _ time.Time) Values {
				v := nightOf(n)
				v[Free], v[MinStay], v[Closed] = count(r, 4), count(r, 3), Text(strconv.FormatBool(r.IntN(10) == 0))
				return v
			},
			where: func(Values) string { return PMS },
			value: func(r *rand.Rand, field string, _ time.Time) Values {
				if field == Closed {
					return Values{field: Text(strconv.FormatBool(r.IntN(2) == 0))}
				}
				return Values{field: count(r, 7)}
			}},
	}
}

func priceEntity() *entity {
	return &entity{name: Prices, one: "price", key: []string{ListingID, Night},
		fields: []field{{ListingID, term(), true}, {Night, date(), true}, {Amount, amount(), true}, {Currency, term(), true}, {Promo, text(), false}},
		rules:  map[string][]string{"": {PMS, Staybnb, Voyago}},
		habit: habit{weight: 12, mix: Mix{Authority: 80, Other: 15, Both: 5}, edits: []string{Amount, Amount, Amount, Promo},
			make: func(r *rand.Rand, n int64, _ time.Time) Values {
				v := nightOf(n)
				v[Amount], v[Currency], v[Promo] = nightly(r), Text("EUR"), promo(r)
				return v
			},
			where: func(Values) string { return PMS },
			value: func(r *rand.Rand, field string, _ time.Time) Values {
				if field == Promo {
					return Values{field: promo(r)}
				}
				return Values{field: nightly(r)}
			}},
	}
}

// nightOf is the n-th night of the calendar: one lodging after the other for each
// day from the first of March on.
func nightOf(n int64) Values {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n/listings))
	return Values{ListingID: Text(listing(1 + int(n%listings))), Night: Text(day.Format(time.DateOnly))}
}

func count(r *rand.Rand, below int) *string { return Text(strconv.Itoa(r.IntN(below))) }

func nightly(r *rand.Rand) *string { return Text(decimal(int64(3500 + 50*r.IntN(700)))) }

func promo(r *rand.Rand) *string {
	if r.IntN(3) > 0 {
		return nil
	}
	return Text(pick(r, []string{"early bird", "last minute", "7 = 6", "São João", "", "Черная пятница"}))
}
