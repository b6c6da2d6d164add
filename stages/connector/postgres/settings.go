package postgres

import "github.com/trueup-data/trueup/pipeline/config"

// systemSettings is systems.<name>.postgres.
type systemSettings struct {
	DSN    string `yaml:"dsn,required" help:"where the database is: postgres://user:password@host:5432/database, or key=value pairs"`
	Schema string `yaml:"schema" help:"of tables that name none; default public"`
}

// extractSettings is the connector's part of extract.
type extractSettings struct {
	Table config.Name  `yaml:"table" help:"a table or view, as in bookings or sales.bookings; or"`
	Query *config.Expr `yaml:"query" help:"a SELECT that gives the declared fields as columns"`
}

// writeSettings is the connector's part of write.
type writeSettings struct {
	Table        config.Name  `yaml:"table" help:"default: the table that is read"`
	Key          config.Names `yaml:"key" help:"what finds the row of an ID: the stream's primary_key, which must be unique in the table"`
	Unique       config.Names `yaml:"unique" help:"fields with a unique constraint that carry the entity's key, in its order: makes creates safe to repeat"`
	Create       bool         `yaml:"create"`
	Update       bool         `yaml:"update"`
	Delete       bool         `yaml:"delete"`
	Precondition bool         `yaml:"precondition" help:"updates and deletes only touch a row whose version is what was seen; every edit must raise it, as a trigger does"`
}
