package world

import (
	"fmt"
	"math/rand/v2"
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

func messageTexts() []string {
	return []string{"Hi! Can we check in at 14:00?", "Olá, onde fica a chave?", "We are 5 now, is that ok? 😊", "thanks!!", "Tak, vi ses.",
		"The Wi-Fi does not work.\nWhat is the password?", "Of course: the code is 0042#.", "Bonjour, y a-t-il un parking ?", "ok",
		"Sorry, we are late: flight TP1363 left at 21:10, so we will be there around half past eleven, maybe midnight. Can somebody wait for us?",
		"\"Quiet hours\" are from 22:00.", "Danke, alles super!", "您好，可以提前入住吗？"}
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

func listing(n int) string { return fmt.Sprintf("L-%03d", n) }

const listings = 12 // lodgings that are let

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
