package config

import (
	"fmt"
	"strings"
	"time"
)

// Two connectors as the program's own declare themselves.
type restSystem struct {
	BaseURL Template      `yaml:"base_url,required" help:"where the API lives"`
	Auth    Map[Template] `yaml:"auth"`
	Headers Map[Template] `yaml:"headers"`
}

type restExtract struct {
	Request struct {
		Path  Template      `yaml:"path,required"`
		Query Map[Template] `yaml:"query"`
	} `yaml:"request,required"`
	Records  string `yaml:"records"`
	Paginate *struct {
		Cursor   Node   `yaml:"cursor"`
		Style    string `yaml:"style" enum:"page|offset"`
		PageSize *struct {
			Param string `yaml:"param,required"`
			Value int    `yaml:"value,required"`
		} `yaml:"page_size"`
		MaxWindow int           `yaml:"max_window"`
		Delay     time.Duration `yaml:"delay"`
	} `yaml:"paginate"`
	Partition Node `yaml:"partition"`
	Read      Node `yaml:"read"`
	Search    Node `yaml:"search"`
}

type restWrite struct {
	Create       Node `yaml:"create"`
	Update       Node `yaml:"update"`
	Delete       Node `yaml:"delete"`
	Idempotency  Node `yaml:"idempotency"`
	Precondition Node `yaml:"precondition"`
	Answer       Node `yaml:"answer"`
}

type postgresSystem struct {
	DSN    string `yaml:"dsn,required" help:"where the database is"`
	Schema string `yaml:"schema"`
}

type postgresExtract struct {
	Table string `yaml:"table"`
	Query *Expr  `yaml:"query"`
}

type postgresWrite struct {
	Table  string `yaml:"table,required"`
	Key    Names  `yaml:"key,required"`
	Create bool   `yaml:"create"`
	Update bool   `yaml:"update"`
	Delete bool   `yaml:"delete"`
}

func testKnown() Known {
	return Known{
		"rest": {
			System: restSystem{}, Extract: restExtract{}, Write: restWrite{},
			Check: func(_ System, _ Entity, st Stream) error {
				path := st.Extract.Settings.Get("request").Get("path")
				if !strings.HasPrefix(path.Text(), "/") {
					return Problems{Problem(path.At(), fmt.Sprintf("%q is no path", path.Text()), "it does not begin with /", "write /"+path.Text())}
				}
				return nil
			},
		},
		"postgres": {System: postgresSystem{}, Extract: postgresExtract{}, Write: postgresWrite{}, CanFetch: true, WritesByDefault: true},
	}
}
