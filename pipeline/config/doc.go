// Package config reads a project file: it turns YAML into positioned nodes,
// expands references to the environment and to files, decodes strictly, applies
// defaults, checks the parts against each other, and reports every problem at
// once with its line and column. It must never open a store, run SQL, know what
// a connector's settings mean, or let a key pass that has no effect.
//
// A connector decodes its own part of the file with the same machinery. It
// declares a struct and asks the Node for it:
//
//	type paginate struct {
//		PageSize *struct {
//			Param config.Template `yaml:"param,required"`
//			Value int             `yaml:"value,required"`
//		} `yaml:"page_size"`
//		Style     string        `yaml:"style" enum:"page|offset"`
//		Timeout   time.Duration `yaml:"timeout"`
//		MaxWindow int           `yaml:"max_window" help:"the most records one listing gives"`
//	}
//	settings := struct {
//		Paginate paginate            `yaml:"paginate"`
//		Query    config.Map[config.Template] `yaml:"query"` // in file order
//		Body     config.Node         `yaml:"body"`          // raw: any shape
//	}{Paginate: paginate{MaxWindow: 10000}} // what is there already is the default
//	if err := stream.Extract.Settings.Decode(&settings); err != nil {
//		return err // config.Problems: each with file, line and column
//	}
package config
