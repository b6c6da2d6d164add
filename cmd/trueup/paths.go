package main

import (
	"os"
	"path/filepath"
)

// projectDir is the folder that relative paths of a project file start from.
func projectDir(project string) string {
	if info, err := os.Stat(project); err == nil && info.IsDir() {
		return project
	}
	return filepath.Dir(project)
}
