package facts

import (
	"errors"
	"testing"
)

func TestIDText(t *testing.T) {
	for id, text := range map[ID]string{
		0: "", 1: "1", 0x20e6d8e99aebbaad: "20e6d8e99aebbaad",
		^ID(0): "ffffffffffffffff",
	} {
		raw, err := id.MarshalText()
		var back ID
		if err := errors.Join(err, back.UnmarshalText(raw)); err != nil || string(raw) != text || back != id {
			t.Errorf("%d reads %q and comes back as %d, %v", uint64(id), raw, back, err)
		}
	}
	for _, text := range []string{"x", "10000000000000000", "-1", " 1"} {
		var id ID
		if err := id.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %s", text, id)
		}
	}
}
