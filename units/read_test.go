package units

import (
	"slices"
	"testing"
)

// A unit's command line is read back as it was written.
func TestCommand(t *testing.T) {
	args := []string{
		"/opt/clusterup/etcd/3.6.16-1a2b3c4d/etcd", `--a=x y "z" \ $HOME 100%`, "--b=$$%%", "--c=plain",
		"--d=",
	}
	if got := Command(UnitOf(Member{Unit: "etcd-prod"}, args).Data); !slices.Equal(got, args) {
		t.Errorf("command %q, want %q", got, args)
	}
	read, unit := Reader{}, UnitOf(Member{Unit: "etcd-prod"}, args).Data
	for _, r := range []Reader{nil, read, read} {
		if got := r.Command(unit); !slices.Equal(got, args) {
			t.Errorf("command %q, want %q", got, args)
		}
	}
	if other := read.Command([]byte("ExecStart=/bin/etcd\n")); len(read) != 2 || !slices.Equal(other, []string{"/bin/etcd"}) {
		t.Errorf("%d texts are known, and another one is %q", len(read), other)
	}
	for text, want := range map[string]int{
		"": 0, "[Service]\n": 0, "ExecStart=/bin/etcd --a --b\n--c\n": 3,
		"ExecStart=/bin/etcd \\\n  --a=1 \\\n": 2,
	} {
		if got := Command([]byte(text)); len(got) != want {
			t.Errorf("%q: %q, want %d words", text, got, want)
		}
	}
}
