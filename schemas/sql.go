package schemas

import "fmt"

// CanonicalSQL is a DuckDB expression for the canonical text of expr, which has
// the type's storage; null stays null. expr stands in it more than once, so it has
// to be a column or something cheap.
//
// DuckDB's own CAST of a double to text is not used: it prints some powers of two
// wrongly (2^81 as 4.8e+24). With a precision it prints by Grisu, which knows when
// its last digit is not certain, and then by C's printf, which is exact; so does
// Go. Both read text back exactly. Thus each of the three steps of the canonical
// text is a function that IEEE 754 defines, and the texts agree.
func CanonicalSQL(t Type, expr string) string {
	switch t.Kind {
	case String, Enum, JSON, List:
		return expr
	case Timestamp:
		return "CAST(epoch_us(" + expr + ") AS VARCHAR)"
	case Double:
		return fmt.Sprintf("CASE WHEN %[1]s = 0 THEN '0'"+
			" WHEN CAST(printf('%%.15g', %[1]s) AS DOUBLE) = %[1]s THEN printf('%%.15g', %[1]s)"+
			" WHEN CAST(printf('%%.16g', %[1]s) AS DOUBLE) = %[1]s THEN printf('%%.16g', %[1]s)"+
			" ELSE printf('%%.17g', %[1]s) END", expr)
	case Decimal:
		if t.Precision == t.Scale { // DuckDB leaves out the zero before the point
			return `regexp_replace(CAST(` + expr + ` AS VARCHAR), '^(-?)\.', '\10.')`
		}
	}
	return "CAST(" + expr + " AS VARCHAR)"
}

// FromCanonicalSQL is a DuckDB expression for the value of a canonical text; text
// that is no value of the type is an error of the query, and null stays null.
func FromCanonicalSQL(t Type, expr string) string {
	switch t.Kind {
	case String, Enum, JSON, List:
		return expr
	case Timestamp:
		return "make_timestamptz(CAST(" + expr + " AS BIGINT))"
	}
	return "CAST(" + expr + " AS " + t.DuckDB() + ")"
}
