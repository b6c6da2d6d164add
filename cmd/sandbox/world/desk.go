package world

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// The canonical fields of messages and tasks.
const (
	Ref     = "ref"     // the key
	Booking = "booking" // the code of a booking
	Author  = "author"  // guest or host
	SentAt  = "sent_at"
	Body    = "body"
	Read    = "read"

	Work     = "kind" // clean, inspect, repair
	Due      = "due"
	Assignee = "assignee"
	Progress = "state" // open, doing, done
	Remark   = "remark"
)

func messageEntity() *entity {
	return &entity{name: Messages, one: "message", key: []string{Ref},
		fields: []field{{Ref, term(), true}, {Channel, term(), true}, {Booking, term(), false}, {Author, oneOf("guest", "host"), true},
			{SentAt, moment(), true}, {Body, text(), false}, {Read, flag(), true}},
		rules: map[string][]string{"": {Deskline, Staybnb}, Body: {Staybnb, Deskline}},
		habit: habit{weight: 10, mix: Mix{Authority: 40, Other: 5, Create: 55}, edits: []string{Read, Read, Read, Body},
			make: newMessage, where: writtenIn, value: messageValue},
	}
}

// writtenIn is where a message is written: a guest writes at the channel, the
// host and the guests of other channels (by mail) at the desk.
func writtenIn(v Values) string {
	if v.Get(Channel) == Staybnb && v.Get(Author) == "guest" {
		return Staybnb
	}
	return Deskline
}

func newMessage(r *rand.Rand, n int64, around time.Time) Values {
	return Values{Ref: Text(fmt.Sprintf("MSG-%06d", n)), Channel: Text(pick(r, []string{Staybnb, Staybnb, "mail", Voyago})),
		Booking: Text(newCode(r.Int64N(n/2 + 10))), Author: Text(pick(r, []string{"guest", "guest", "host"})),
		SentAt: Text(around.UTC().Format(stampLayout)), Body: Text(pick(r, messageTexts())), Read: Text("false")}
}

func messageValue(r *rand.Rand, field string, _ time.Time) Values {
	if field == Read {
		return Values{field: Text(pick(r, []string{"true", "false"}))}
	}
	return Values{field: Text(pick(r, messageTexts()))}
}

func taskEntity() *entity {
	return &entity{name: Tasks, one: "task", key: []string{Ref},
		fields: []field{{Ref, code(), true}, {ListingID, term(), true}, {Work, oneOf("clean", "inspect", "repair"), true}, {Due, date(), true},
			{Assignee, text(), false}, {Progress, oneOf("open", "doing", "done"), true}, {Remark, text(), false}},
		rules: map[string][]string{"": {PMS, Tidy}, Assignee: {Tidy, PMS}, Progress: {Tidy, PMS}},
		habit: habit{weight: 12, mix: Mix{Authority: 70, Other: 8, Both: 4, Create: 12, Delete: 6}, dying: []string{PMS, Tidy},
			edits: []string{Progress, Progress, Progress, Assignee, Due, Remark}, make: newTask,
			where: func(Values) string { return PMS }, value: taskValue},
	}
}

func newTask(r *rand.Rand, n int64, around time.Time) Values {
	return Values{Ref: Text(fmt.Sprintf("T-%05d", n)), ListingID: Text(listing(1 + r.IntN(listings))),
		Work: Text(pick(r, []string{"clean", "clean", "clean", "inspect", "repair"})),
		Due:  Text(around.AddDate(0, 0, r.IntN(30)).Format(time.DateOnly)), Assignee: assignee(r),
		Progress: Text(pick(r, []string{"open", "open", "doing", "done"})), Remark: remark(r)}
}

func taskValue(r *rand.Rand, field string, now time.Time) Values {
	switch field {
	case Progress:
		return Values{field: Text(pick(r, []string{"open", "doing", "done"}))}
	case Assignee:
		return Values{field: assignee(r)}
	case Due:
		return Values{field: Text(now.AddDate(0, 0, r.IntN(30)).Format(time.DateOnly))}
	default:
		return Values{Remark: remark(r)}
	}
}

func assignee(r *rand.Rand) *string {
	if r.IntN(4) == 0 {
		return nil
	}
	return Text(pick(r, []string{"Lurdes", "Ahmed", "Zé Carlos", "Olena", "Thị Mai", "night team"}))
}

func remark(r *rand.Rand) *string {
	if r.IntN(3) == 0 {
		return nil
	}
	return Text(pick(r, []string{"", "bring 2 sets of linen", "window does not close", "oven: E-04", "keys at Café Sol", "dog hair 🐕", "ask for \"Sr. António\""}))
}
