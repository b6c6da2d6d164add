package world

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Names and notes hold what breaks careless code: letters outside ASCII, quotes,
// commas, tabs, line ends, emoji, leading zeros, text that looks like another type.

func givenNames() []string {
	return []string{"Ana", "Björn", "Chloé", "Đorđe", "Émile", "Fátima", "Győző", "Hana", "İpek", "João", "Kateřina",
		"Łukasz", "Mary-Jane", "Ñuño", "Øyvind", "Paul", "Quentin", "Renée", "Siân", "Tomás", "Ülkü", "Việt", "Wei", "小林", "Žofie"}
}

func familyNames() []string {
	return []string{"O'Brien", "Müller", "García Lorca", "de la Cruz", "van 't Hoff", "Smith, Jr.", "Nguyễn", "Åström",
		"Ferreira", "Null", "\"Bobby\" Tables", "St. John", "Öztürk", "王", "Иванова", "Papadopoulos", "Żak", "McAdam-Reyes"}
}

func noteTexts() []string {
	return []string{"late arrival, ~23:30", "needs a cot 👶", "allergic to feathers; no pillows", "said: \"call me, please\"",
		"0042", "true", "key under the mat\nsecond line", "vuelo TP1363 → llega tarde", "50% paid, rest on site", "C:\\temp\\note",
		"wants the 2nd floor 🛗 & sea view", "1e3", "trailing space ", "<b>VIP</b>", "N/A", "ça va être parfait — merci !"}
}

// staff are the people who edit a system's records.
func staff(system string) []string {
	if system == PMS {
		return []string{"ines (front desk)", "rui (revenue)", "marta (owner relations)"}
	}
	return []string{"guest", "staybnb support", "co-host"}
}

// person is who made the n-th edit.
func person(system string, n int64) string {
	all := staff(system)
	return all[int(n)%len(all)]
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func guestName(r *rand.Rand) *string {
	return Text(pick(r, givenNames()) + " " + pick(r, familyNames()))
}

// note is a text, the empty text or null.
func note(r *rand.Rand) *string {
	switch n := r.IntN(10); {
	case n < 4:
		return nil
	case n == 4:
		return Text("")
	default:
		return Text(pick(r, noteTexts()))
	}
}

func price(r *rand.Rand) *string { return Text(decimal(int64(4000 + r.IntN(900_000)))) }

// decimal renders cents with two places.
func decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func listing(n int) string { return fmt.Sprintf("L-%03d", n) }

const listings = 12 // lodgings that are let

// stay is a check-in and a check-out around a day.
func stay(r *rand.Rand, around time.Time) (in, out *string) {
	from := around.AddDate(0, 0, r.IntN(180)-30)
	return Text(from.Format(time.DateOnly)), Text(from.AddDate(0, 0, 1+r.IntN(14)).Format(time.DateOnly))
}

// newCode is the code of the n-th booking that was ever made: unique, and not in order.
func newCode(n int64) string {
	const letters = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
	x := uint64(n)*0x9E3779B97F4A7C15 ^ 0x5bd1e995
	text := make([]byte, 0, 12)
	text = append(text, 'H', 'M')
	for range 3 {
		text = append(text, letters[x%uint64(len(letters))])
		x /= uint64(len(letters))
	}
	return fmt.Sprintf("%s%04d", text, n)
}
