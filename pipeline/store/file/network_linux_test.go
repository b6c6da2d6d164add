package file

import "testing"

func TestNetworkFileSystemsAreKnown(t *testing.T) {
	for magic, want := range map[int64]string{
		0x6969: "nfs", 0xff534d42: "cifs", -11317950: "cifs", 0x65735546: "fuse", 0x01021997: "9p",
		0xef53: "", 0x58465342: "", 0x9123683e: "", 0x01021994: "", 0x794c7630: "",
	} {
		if got := networkName(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
}
