package file

import "syscall"

// networkOf names the network file system that dir is on; "" is a local one.
func networkOf(dir string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return "", err
	}
	return networkName(int64(stat.Type)), nil // int32 on some processors
}

// networkName knows the magic numbers of statfs(2) that reach over a network,
// or, as FUSE and 9p, may.
func networkName(magic int64) string {
	switch uint32(magic) { //nolint:gosec // the numbers have 32 bits, whatever the sign
	case 0x6969:
		return "nfs"
	case 0x517b:
		return "smb"
	case 0xff534d42:
		return "cifs"
	case 0xfe534d42:
		return "smb2"
	case 0x65735546:
		return "fuse"
	case 0x01021997:
		return "9p"
	case 0x00c36400:
		return "ceph"
	case 0x5346414f:
		return "afs"
	case 0x73757245:
		return "coda"
	case 0x0bd00bd0:
		return "lustre"
	case 0x47504653:
		return "gpfs"
	case 0x564c:
		return "ncp"
	case 0x20030528:
		return "orangefs"
	case 0x19830326:
		return "fhgfs"
	}
	return ""
}
