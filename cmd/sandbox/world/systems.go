package world

import (
	"net/http"
	"strconv"
	"time"
)

// The systems of the world.
const (
	PMS      = "pms"      // the property-management system: all but messages
	Staybnb  = "staybnb"  // a booking channel: its own bookings and messages, and the calendar
	Voyago   = "voyago"   // another one, older: its own bookings, and the calendar
	Tidy     = "tidy"     // housekeeping: tasks
	Deskline = "deskline" // the inbox: all messages
)

// Systems lists the names of the world's systems.
func Systems() []string {
	var names []string
	for _, s := range systems() {
		names = append(names, s.name)
	}
	return names
}

func systems() []*system {
	return []*system{pmsSystem(), staybnbSystem(), voyagoSystem(), tidySystem(), desklineSystem()}
}

// pmsSystem: snake_case, nulls shown, amounts as text, numeric IDs, pages by a
// token over (updated_at, id), ETags, tombstones in listings since a time.
func pmsSystem() *system {
	ignored := []string{"id", "created_at", "updated_at", "deleted_at", "source"}
	extra := map[string]any{"source": "office"}
	return &system{name: PMS, about: "a property-management system: numeric IDs, amounts as text, pages by token, ETags",
		staff: []string{"ines (front desk)", "rui (revenue)", "marta (owner relations)"},
		auth:  byHeader("Authorization", "Bearer "), denied: http.StatusUnauthorized,
		fail: func(_ int, title, detail string) any {
			return map[string]any{"error": map[string]any{"code": title, "message": detail}}
		},
		nulls: true, stamp: rfc3339(time.UTC), created: "created_at", updated: "updated_at", removed: "deleted_at",
		since: since{"updated_after", readRFC3339, false},
		pages: pages{param: "page_token", keyset: true, show: func(p page, doc map[string]any, _ http.Header) {
			paging := map[string]any{}
			if p.next != "" {
				paging["next"] = p.next
			}
			doc["paging"] = paging
		}},
		usual: 50, most: 500, etags: true, update: "PATCH PUT",
		collections: []collection{
			{entity: Bookings, noun: "booking", root: "/api/bookings", list: "bookings", id: numbers(), unique: true, ignored: ignored, extra: extra,
				search:  map[string]string{"code": Code},
				members: plainly(map[string]form{Price: amountText()}, Code, Channel, ListingID, CheckIn, CheckOut, GuestName, Price, Status, Notes)},
			{entity: Availability, noun: "night", root: "/api/nights", list: "nights", id: numbers(), unique: true, ignored: ignored,
				search:  map[string]string{"listing_id": ListingID, "night": Night},
				members: plainly(map[string]form{Free: number(), MinStay: number(), Closed: boolean()}, ListingID, Night, Free, MinStay, Closed)},
			{entity: Prices, noun: "rate", root: "/api/rates", list: "rates", id: numbers(), unique: true, ignored: ignored,
				search:  map[string]string{"listing_id": ListingID, "night": Night},
				members: plainly(map[string]form{Amount: amountText()}, ListingID, Night, Amount, Currency, Promo)},
			{entity: Tasks, noun: "task", root: "/api/tasks", list: "tasks", id: numbers(), unique: true, ignored: ignored,
				search: map[string]string{"ref": Ref}, members: plainly(nil, Ref, ListingID, Work, Due, Assignee, Progress, Remark)},
		}}
}

// staybnbSystem: nested, nulls left out, amounts in cents, text IDs, pages by
// offset that shift when people edit, idempotency keys, silent deletes.
func staybnbSystem() *system {
	ignored := []string{"id", "updated_at", "currency", "app.version"}
	return &system{name: Staybnb, about: "a booking channel: cents, dd/mm/yyyy, nulls left out, pages by offset, idempotency keys",
		staff: []string{"guest", "staybnb support", "co-host"},
		auth:  byHeader("X-Api-Key", ""), denied: http.StatusForbidden,
		fail: func(status int, title, detail string) any {
			return map[string]any{"errors": []any{map[string]any{"status": strconv.Itoa(status), "title": title, "detail": detail}}}
		},
		stamp: epochMillis, updated: "updated_at", since: since{"updated_since", readMillis, true},
		pages: pages{param: "offset", show: func(p page, doc map[string]any, _ http.Header) {
			doc["meta"] = map[string]any{"total": p.total, "offset": p.offset, "limit": p.limit}
		}},
		usual: 20, most: 200, keys: true, update: "PATCH", lodgings: "/v2/listings",
		collections: []collection{
			{entity: Bookings, noun: "reservation", root: "/v2/reservations", list: "data", one: "data", id: named("R-%06d"), ignored: ignored,
				extra: map[string]any{"currency": "EUR"}, fixed: Values{Channel: Text(Staybnb)}, ours: ofChannel(Staybnb),
				filters: map[string]string{"listing_ref": ListingID}, search: map[string]string{"code": Code},
				members: []member{{"confirmation_code", Code, words()}, {"listing_ref", ListingID, words()}, {"guest.name", GuestName, words()}, {"note", Notes, words()},
					{"arrival", CheckIn, slashDate()}, {"departure", CheckOut, slashDate()}, {"total_cents", Price, centsNumber()},
					{"state", Status, renamed(map[string]string{"confirmed": "ok"})}}},
			{entity: Availability, noun: "day", root: "/v2/calendar", list: "data", one: "data", id: named("C-%06d"), ignored: ignored,
				filters: map[string]string{"listing_ref": ListingID}, search: map[string]string{"listing": ListingID, "day": Night},
				members: []member{{"listing_ref", ListingID, words()}, {"day", Night, slashDate()}, {"units", Free, number()}, {"rules.min_nights", MinStay, number()},
					{"blocked", Closed, boolean()}}},
			{entity: Prices, noun: "price", root: "/v2/pricing", list: "data", one: "data", id: named("P-%06d"), ignored: ignored,
				fixed:   Values{Currency: Text("EUR")},
				filters: map[string]string{"listing_ref": ListingID}, search: map[string]string{"listing": ListingID, "day": Night},
				members: []member{{"listing_ref", ListingID, words()}, {"day", Night, slashDate()}, {"nightly_cents", Amount, centsNumber()}, {"label", Promo, words()}}},
			{entity: Messages, noun: "message", root: "/v2/messages", list: "data", one: "data", id: named("M-%06d"), ignored: ignored,
				fixed: Values{Channel: Text(Staybnb)}, ours: ofChannel(Staybnb), search: map[string]string{"ref": Ref},
				members: []member{{"message_ref", Ref, words()}, {"reservation", Booking, words()}, {"from", Author, words()}, {"sent_at", SentAt, momentMillis()},
					{"text", Body, words()}, {"seen", Read, boolean()}}},
		}}
}

// voyagoSystem: camelCase, amounts as JSON numbers, capitals, times in whole
// seconds, numbered pages that shift, versions in the record that If-Match takes,
// and updates that replace the whole record.
func voyagoSystem() *system {
	ignored := []string{"id", "modified", "rev", "removedAt"}
	property := member{"propertyId", ListingID, prefixed("", "VG-")}
	return &system{name: Voyago, about: "an older channel: CAPITALS, JSON numbers, numbered pages, versions, PUT of the whole record",
		staff: []string{"traveller", "voyago agent"},
		auth:  byBasic(), denied: http.StatusUnauthorized,
		fail: func(status int, title, detail string) any {
			return map[string]any{"type": "about:blank", "status": status, "title": title, "detail": detail}
		},
		nulls: true, stamp: epochSeconds, updated: "modified", removed: "removedAt", version: "rev", since: since{"modifiedSince", readSeconds, true},
		pages: pages{param: "page", ordinal: true, show: func(p page, doc map[string]any, _ http.Header) { doc["totalCount"] = p.total }},
		usual: 25, most: 500, update: "PUT",
		collections: []collection{
			{entity: Bookings, noun: "booking", root: "/rest/Bookings", list: "items", id: named("%08x"), ignored: ignored, unique: true,
				fixed: Values{Channel: Text(Voyago)}, ours: ofChannel(Voyago), search: map[string]string{"bookingRef": Code},
				members: []member{{"bookingRef", Code, words()}, property, {"period.from", CheckIn, words()}, {"period.to", CheckOut, words()},
					{"traveller.fullName", GuestName, words()}, {"total", Price, amountNumber()}, {"status", Status, capitals()}, {"remarks", Notes, words()}}},
			{entity: Availability, noun: "inventory", root: "/rest/Inventory", list: "items", id: named("%08x"), ignored: ignored, unique: true,
				search:  map[string]string{"propertyId": ListingID, "date": Night},
				members: []member{property, {"date", Night, words()}, {"rooms", Free, number()}, {"minLos", MinStay, number()}, {"stopSell", Closed, letters("Y", "N")}}},
			{entity: Prices, noun: "rate", root: "/rest/Rates", list: "items", id: named("%08x"), ignored: ignored, unique: true,
				search:  map[string]string{"propertyId": ListingID, "date": Night},
				members: []member{property, {"date", Night, words()}, {"price", Amount, amountNumber()}, {"ccy", Currency, words()}, {"plan", Promo, words()}}},
		}}
}

// tidySystem: bare lists, the next page in a Link header, local times, nothing
// that makes a write safe, silent deletes.
func tidySystem() *system {
	return &system{name: Tidy, about: "housekeeping: bare lists, Link headers, local times, neither versions nor idempotency keys",
		staff: []string{"cleaner", "shift lead"},
		auth:  byQuery("api_key"), denied: http.StatusUnauthorized,
		fail:  func(_ int, _, detail string) any { return map[string]any{"message": detail} },
		nulls: true, stamp: rfc3339(time.FixedZone("", 3600)), updated: "changed", since: since{"changed_since", readRFC3339, true},
		pages: pages{param: "after", keyset: true, show: func(p page, _ map[string]any, h http.Header) {
			if p.url != "" {
				h.Set("Link", "<"+p.url+`>; rel="next"`)
			}
		}},
		usual: 30, most: 300, update: "PATCH",
		collections: []collection{
			{entity: Tasks, noun: "job", root: "/jobs", id: numbers(), ignored: []string{"id", "changed"}, search: map[string]string{"number": Ref},
				members: []member{{"number", Ref, words()}, {"property", ListingID, words()}, {"type", Work, capitals()}, {"day", Due, words()},
					{"cleaner", Assignee, words()}, {"status", Progress, renamed(map[string]string{"open": "todo", "doing": "in progress"})}, {"comment", Remark, words()}}},
		}}
}

// desklineSystem: the next page as a URL in the answer, idempotency keys, messages
// that nobody can delete.
func desklineSystem() *system {
	return &system{name: Deskline, about: "the inbox: the next page as a URL, idempotency keys, nothing can be deleted",
		staff: []string{"ines (front desk)", "night desk"},
		auth:  byHeader("Authorization", "Token "), denied: http.StatusUnauthorized,
		fail: func(_ int, title, detail string) any {
			return map[string]any{"ok": false, "error": title, "why": detail}
		},
		nulls: true, stamp: rfc3339(time.UTC), created: "inserted", updated: "edited", since: since{"edited_after", readRFC3339, false},
		pages: pages{param: "from", keyset: true, show: func(p page, doc map[string]any, _ http.Header) {
			doc["next"] = nil
			if p.url != "" {
				doc["next"] = p.url
			}
		}},
		usual: 40, most: 400, keys: true, update: "PATCH", lasting: true,
		collections: []collection{
			{entity: Messages, noun: "message", root: "/inbox/messages", list: "messages", id: named("msg_%05x"), ignored: []string{"id", "inserted", "edited"},
				search: map[string]string{"external_id": Ref},
				members: []member{{"external_id", Ref, words()}, {"channel", Channel, words()}, {"booking", Booking, words()}, {"author", Author, words()},
					{"sent", SentAt, momentText()}, {"body", Body, words()}, {"is_read", Read, boolean()}}},
		}}
}
