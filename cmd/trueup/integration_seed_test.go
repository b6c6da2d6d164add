package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// How many bookings are taken of the hotel that only one system holds, and of
// the one that both hold.
const (
	takenOfOther  = 1400
	takenOfShared = 600
)

// moduleRoot is the folder of go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no folder above this one has a go.mod")
	return ""
}

// seedBookings are real records where the folder of them lies beside the
// checkout, and the sandbox's otherwise.
func seedBookings(t testing.TB) contents {
	t.Helper()
	folder := filepath.Join(filepath.Dir(moduleRoot(t)), "shared", "data")
	if _, err := os.Stat(filepath.Join(folder, "hotel_bookings.csv")); errors.Is(err, fs.ErrNotExist) {
		t.Logf("seeded with the sandbox's records: there is no %s", folder)
		return sandboxBookings(t)
	}
	t.Logf("seeded with the records of %s", folder)
	return realBookings(t, folder)
}

// realBookings takes hotel bookings, each with its row number as code, and gives
// them the names of real listings as titles: quotes, commas, letters outside ASCII.
func realBookings(t testing.TB, folder string) contents {
	t.Helper()
	titles := readCSV(t, filepath.Join(folder, "listings.csv"))
	taken, out := map[string]int{}, contents{}
	for i, row := range readCSV(t, filepath.Join(folder, "hotel_bookings.csv")) {
		most := takenOfOther
		if row["hotel"] == shared {
			most = takenOfShared
		}
		if taken[row["hotel"]] == most {
			continue
		}
		taken[row["hotel"]]++
		b := realBooking(t, row)
		b["code"] = value(fmt.Sprintf("HB%06d", i+1))
		b["title"] = value(titles[i%len(titles)]["name"])
		out[*b["code"]] = b
	}
	return out
}

// readCSV gives the rows of a file by the names in its first.
func readCSV(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path) //nolint:gosec // test data
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]map[string]string, len(rows)-1)
	for i, row := range rows[1:] {
		out[i] = map[string]string{}
		for j, name := range rows[0] {
			out[i][name] = row[j]
		}
	}
	return out
}

func realBooking(t testing.TB, row map[string]string) booking {
	t.Helper()
	arrival, err := time.Parse("2006 January 2", row["arrival_date_year"]+" "+row["arrival_date_month"]+" "+row["arrival_date_day_of_month"])
	if err != nil {
		t.Fatal(err)
	}
	nights := 0
	for _, name := range []string{"stays_in_weekend_nights", "stays_in_week_nights"} {
		n, err := strconv.Atoi(row[name])
		if err != nil {
			t.Fatal(err)
		}
		nights += n
	}
	status := map[string]string{"Check-Out": "completed", "Canceled": "cancelled", "No-Show": "no_show"}[row["reservation_status"]]
	return booking{
		"hotel": value(row["hotel"]), "arrival": value(arrival.Format(time.DateOnly)),
		"departure": value(arrival.AddDate(0, 0, nights).Format(time.DateOnly)),
		"adults":    value(row["adults"]), "children": nullable(row["children"]), "country": nullable(row["country"]),
		"rate": value(decimal(cents(t, row["adr"]))), "status": value(status),
		"prepaid": value(strconv.FormatBool(row["deposit_type"] != "No Deposit")), "agent": nullable(row["agent"]),
	}
}

// nullable is a cell as these files write what is not known.
func nullable(cell string) *string {
	if cell == "NULL" || cell == "NA" || cell == "" {
		return nil
	}
	return &cell
}

// sandboxBookings makes up as many bookings; notes are the titles.
func sandboxBookings(t testing.TB) contents {
	t.Helper()
	w, err := world.New(world.Options{Seed: 1, Records: takenOfOther + takenOfShared})
	if err != nil {
		t.Fatal(err)
	}
	out := contents{}
	for i, r := range w.Records(world.PMS) {
		b := r.Now().Values
		hotel, status, agent := "Óbidos House", "completed", nullable("")
		if b.Get(world.Channel) == world.Staybnb {
			hotel = shared
		}
		if b.Get(world.Status) == "cancelled" {
			status = "cancelled"
		}
		if i%3 == 0 {
			agent = value(strconv.Itoa(i))
		}
		out[r.Key()] = booking{
			"code": value(r.Key()), "hotel": value(hotel), "arrival": b[world.CheckIn], "departure": b[world.CheckOut],
			"adults": value(strconv.Itoa(1 + i%4)), "children": nil, "country": value("PRT"), "rate": b[world.Price],
			"status": value(status), "prepaid": value(strconv.FormatBool(i%5 == 0)), "agent": agent, "title": b[world.Notes],
		}
	}
	return out
}

// Both kinds of seed have enough of what breaks careless code.
func TestSeedsHoldWhatBreaksCarelessCode(t *testing.T) {
	for name, seeds := range map[string]contents{"sandbox": sandboxBookings(t), "chosen": seedBookings(t)} {
		null, foreign, quoted := 0, 0, 0
		for _, b := range seeds.inChannel() {
			if b["agent"] == nil {
				null++
			}
			if b["title"] == nil {
				continue
			}
			for _, r := range *b["title"] {
				switch {
				case r > 127:
					foreign++
				case r == '"' || r == '\'':
					quoted++
				}
			}
		}
		if len(seeds) < 1500 || len(seeds.inChannel()) < 500 || null < 5 || foreign < 5 || quoted < 5 {
			t.Errorf("%s: %d bookings, %d of them shared, %d nulls, %d letters outside ASCII, %d quotes", name, len(seeds),
				len(seeds.inChannel()), null, foreign, quoted)
		}
	}
}
