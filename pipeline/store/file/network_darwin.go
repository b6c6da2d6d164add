package file

import (
	"strings"
	"syscall"
)

// networkOf names the network file system that dir is on; "" is a local one.
func networkOf(dir string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return "", err
	}
	var name strings.Builder
	for _, c := range stat.Fstypename {
		if c == 0 {
			break
		}
		name.WriteByte(byte(c))
	}
	switch name.String() {
	case "nfs", "smbfs", "afpfs", "webdav", "cifs", "macfuse", "osxfuse", "fusefs":
		return name.String(), nil
	}
	return "", nil
}
