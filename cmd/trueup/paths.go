package main

import (
	"os"
	"path/filepath"
)

// projectDir is the folder that relative paths of a project file start from, as an absolute path.
func projectDir(project string) string {
	dir := filepath.Dir(project)
	if info, err := os.Stat(project); err == nil && info.IsDir() {
		dir = project
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		return absolute
	}
	return dir
}
