package replica

import (
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/schemas"
)

// keyedView compiles what a stream computes of each row at extraction: the parts
// of the key in canonical text, and whether the row is a tombstone. The view is
// named keyed and reads the registered batch. An expression that fails for a row
// gives null: that row has no key.
func keyedView(entity config.Entity, stream config.Stream) (string, error) {
	var b strings.Builder
	b.WriteString("CREATE OR REPLACE TEMP VIEW keyed AS SELECT _row")
	for i, name := range entity.Key {
		field, err := entityField(entity, name)
		if err != nil {
			return "", err
		}
		expr := schemas.NormalizeSQL("("+keyExpression(stream, name)+")", field.Normalize)
		typed := fmt.Sprintf("TRY_CAST(%s AS %s)", expr, field.Type.DuckDB())
		fmt.Fprintf(&b, ", TRY(%s) AS part%d", schemas.CanonicalSQL(field.Type, typed), i)
	}
	tombstone := "false"
	if stream.Extract.Tombstone != nil {
		tombstone = "coalesce(TRY(" + stream.Extract.Tombstone.SQL + "), false)"
	}
	fmt.Fprintf(&b, ", %s AS tombstone FROM batch", tombstone)
	return b.String(), nil
}

// keyExpression is the mapping of an entity's key field; without one it is the
// stream's field of the same name.
func keyExpression(stream config.Stream, name string) string {
	for _, m := range stream.Map {
		if m.Name == name {
			return m.Expr.SQL
		}
	}
	return duck.Quote(name)
}

func entityField(entity config.Entity, name string) (config.EntityField, error) {
	for _, f := range entity.Fields {
		if f.Name == name {
			return f, nil
		}
	}
	return config.EntityField{}, fmt.Errorf("entity %s has no field %q", entity.Name, name)
}
