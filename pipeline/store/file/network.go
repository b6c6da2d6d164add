package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trueup-data/trueup/pipeline/fault"
)

func isFile(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// refuseNetwork refuses a folder on a file system that reaches over a network:
// there flock may be local to a machine, and a lost answer to link(2) is
// repeated and then says that the name is taken.
func refuseNetwork(root string, networkOf func(string) (string, error)) error {
	dir := root
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	name, err := networkOf(dir)
	if err != nil {
		return fault.New(fault.Permanent, "open store", fmt.Errorf("ask for the kind of the file system: %w", err)).
			WithWhere(fault.Place{Object: "file://" + filepath.ToSlash(root)})
	}
	if name == "" {
		return nil
	}
	return &fault.Error{
		Kind:  fault.Permanent,
		Op:    "open store",
		Where: fault.Place{Object: "file://" + filepath.ToSlash(root)},
		Err:   fmt.Errorf("it is on a network file system (%s), where locks and links do not keep two runs apart", name),
		Code:  fault.CodeStoreRefused,
		Note:  "Nothing was written.",
		Help:  "keep the store on a local disk, or use s3://bucket/prefix",
	}
}
