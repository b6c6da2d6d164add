package world

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// AdminHandler is the admin API: it shows the truth and moves the world.
//
//	GET  /truth/records?entity=&system=&key=   records with all versions
//	GET  /truth/edits                   what people did
//	GET  /truth/effects                 what requests did
//	GET  /truth/serves                  which version each answer showed
//	GET  /truth/requests                every request that arrived
//	GET  /clock                         {"now": ...}
//	POST /advance {"by": "1h"}          lets time pass; held-back requests land
//	POST /edit    {"entity","system","id" or "key","set":{field: text or null}}
//	POST /create  {"entity","system","set":{...}}
//	POST /delete  {"entity","system","id" or "key","silent": false}
//	POST /revive  {"entity","system","id"}
//	POST /day     {"edits": 40, "over": "24h", "mix": {...}}
//	GET  /faults                        the faults and how often they fired
//	POST /faults  {"faults": [...]} or {"rough": 0.02}
//	POST /verify  {"known": [...]}      the report, as Verify makes it
//
// Where no entity is named, bookings are meant.
func (w *World) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, show func(*http.Request) any) {
		mux.HandleFunc("GET "+path, func(rw http.ResponseWriter, r *http.Request) { respond(rw, http.StatusOK, show(r)) })
	}
	get("/truth/records", w.adminRecords)
	get("/truth/edits", func(*http.Request) any { return w.Edits() })
	get("/truth/effects", func(*http.Request) any { return w.Effects() })
	get("/truth/serves", func(*http.Request) any { return w.Serves() })
	get("/truth/requests", func(*http.Request) any { return w.Requests() })
	get("/clock", func(*http.Request) any { return w.clock() })
	get("/faults", func(*http.Request) any {
		return map[string]any{"faults": w.FaultCounts(), "unfired": w.Unfired()}
	})
	mux.HandleFunc("POST /advance", post(w.adminAdvance))
	mux.HandleFunc("POST /edit", post(w.adminEdit))
	mux.HandleFunc("POST /create", post(w.adminCreate))
	mux.HandleFunc("POST /delete", post(w.adminDelete))
	mux.HandleFunc("POST /revive", post(w.adminRevive))
	mux.HandleFunc("POST /day", post(w.adminDay))
	mux.HandleFunc("POST /faults", post(w.adminFaults))
	mux.HandleFunc("POST /verify", post(w.adminVerify))
	return mux
}

func respond(rw http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(append(raw, '\n')) // a client that went away is not the world's concern
}

// post decodes a request, refusing members that it does not know, and encodes what do says.
func post[T any](do func(T) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var in T
		d := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			respond(rw, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		out, err := do(in)
		if err != nil {
			respond(rw, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		respond(rw, http.StatusOK, out)
	}
}

func (w *World) clock() any { return map[string]time.Time{"now": w.Now()} }

func (w *World) adminRecords(r *http.Request) any {
	out := []Record{}
	q := r.URL.Query()
	entity := cmp.Or(q.Get("entity"), Bookings)
	for _, system := range w.Systems() {
		if want := q.Get("system"); want != "" && want != system {
			continue
		}
		for _, rec := range w.Of(entity).Records(system) {
			if key := q.Get("key"); key == "" || rec.Key() == key || rec.Key() == KeyOf(key) {
				out = append(out, rec)
			}
		}
	}
	return out
}

type adminSpan struct {
	By string `json:"by"`
}

func (w *World) adminAdvance(in adminSpan) (any, error) {
	by, err := time.ParseDuration(in.By)
	if err != nil || by < 0 {
		return nil, fmt.Errorf("by %q is no duration forward, like 1h30m", in.By)
	}
	w.Advance(by)
	return w.clock(), nil
}

type adminTarget struct {
	Entity string `json:"entity"`
	System string `json:"system"`
	ID     string `json:"id"`
	Key    string `json:"key"`
	Set    Values `json:"set"`
	Silent bool   `json:"silent"`
}

func (t adminTarget) desk(w *World) Desk { return w.Of(cmp.Or(t.Entity, Bookings)) }

// find is the record's ID, by its key where no ID is given.
func (t adminTarget) find(w *World) (string, error) {
	if t.ID != "" {
		return t.ID, nil
	}
	ids := t.desk(w).Find(t.System, t.Key)
	if len(ids) != 1 {
		return "", fmt.Errorf("%s has %d live records with key %q", t.System, len(ids), t.Key)
	}
	return ids[0], nil
}

func (w *World) adminEdit(in adminTarget) (any, error) {
	id, err := in.find(w)
	if err != nil {
		return nil, err
	}
	return in.desk(w).Edit(in.System, id, in.Set)
}

func (w *World) adminCreate(in adminTarget) (any, error) { return in.desk(w).Create(in.System, in.Set) }

func (w *World) adminRevive(in adminTarget) (any, error) { return in.desk(w).Revive(in.System, in.ID) }

func (w *World) adminDelete(in adminTarget) (any, error) {
	id, err := in.find(w)
	if err != nil {
		return nil, err
	}
	if in.Silent {
		return in.desk(w).Vanish(in.System, id)
	}
	return in.desk(w).Delete(in.System, id)
}

type adminDay struct {
	Edits int    `json:"edits"`
	Over  string `json:"over"` // default 24h
	Mix   Mix    `json:"mix"`
}

func (w *World) adminDay(in adminDay) (any, error) {
	over := 24 * time.Hour
	if in.Over != "" {
		var err error
		if over, err = time.ParseDuration(in.Over); err != nil || over < 0 {
			return nil, fmt.Errorf("over %q is no duration, like 24h", in.Over)
		}
	}
	return w.Live(over, in.Edits, in.Mix)
}

type adminFaults struct {
	Faults []Fault `json:"faults"`
	Rough  float64 `json:"rough"`
}

func (w *World) adminFaults(in adminFaults) (any, error) {
	faults := in.Faults
	if in.Rough > 0 {
		faults = append(faults, Rough(in.Rough)...)
	}
	if err := w.SetFaults(faults...); err != nil {
		return nil, err
	}
	return map[string]int{"faults": len(faults)}, nil
}

type adminVerify struct {
	Known []Difference `json:"known"`
}

func (w *World) adminVerify(in adminVerify) (any, error) {
	return Verify(w, VerifyOptions{Known: in.Known}), nil
}
