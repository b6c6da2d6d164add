package connectortest_test

import (
	"reflect"
	"testing"

	"github.com/trueup-data/trueup/stages/connector/connectortest"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
)

func TestThePortsAreThoseOfTheStages(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[connectortest.Source](), reflect.TypeFor[extract.Source]()},
		{reflect.TypeFor[connectortest.Target](), reflect.TypeFor[load.Target]()},
		{reflect.TypeFor[connectortest.Batcher](), reflect.TypeFor[load.Batcher]()},
	} {
		if !pair[0].Implements(pair[1]) || !pair[1].Implements(pair[0]) {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
}
