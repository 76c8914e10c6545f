package units

import (
	"bytes"
	"strings"
	"testing"
)

// A unit is written anew for another form, and for another content, but not for another version of clusterup.
func TestSettled(t *testing.T) {
	by := func(version string) File { return Unit(with(prod("3.6.16"), func(m *Member) { m.Writer = version })) }
	wanted := by("v1.1.0")
	if got := WriterOf(wanted.Data); got != (Writer{Form, "v1.1.0"}) {
		t.Errorf("wanted is by %v", got)
	}
	if got := WriterOf(by("v1\n[Service]\nUser=root").Data); got != (Writer{Form, "v1 [Service] User=root"}) {
		t.Errorf("a version with newlines: %v", got)
	}
	for name, test := range map[string]struct {
		has  []byte
		kept bool
	}{
		"none":            {nil, false},
		"itself":          {wanted.Data, true},
		"another version": {by("v1.0.0").Data, true},
		"no version":      {by("").Data, true},
		"another form":    {bytes.Replace(wanted.Data, []byte("-form: 3"), []byte("-form: 1"), 1), false},
		"no form":         {formLine.ReplaceAll(wanted.Data, nil), false},
		"another limit":   {bytes.Replace(by("v1.0.0").Data, []byte("65536"), []byte("1024"), 1), false},
	} {
		if got := bytes.Equal(Settled(wanted, test.has).Data, test.has); got != test.kept {
			t.Errorf("%s: kept %v", name, got)
		}
	}
}

func TestWriterOf(t *testing.T) {
	for text, want := range map[string]Writer{
		"":                            {},
		"# clusterup-form: 3\n[Unit]": {3, ""},
		"# x\n# clusterup-form: 4, written by v2 (dirty)\n":   {4, "v2 (dirty)"},
		" # clusterup-form: 3\n":                              {},
		"# clusterup-form: 3":                                 {},
		"# clusterup-form: many\n":                            {},
		"# clusterup-form: " + strings.Repeat("9", 40) + "\n": {},
	} {
		if got := WriterOf([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
