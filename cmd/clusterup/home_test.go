package main

import (
	"os/user"
	"testing"
)

// Without HOME, as in a system unit, home is what the user database says.
func TestHomeDir(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("HOME", "/elsewhere")
	if got := homeDir(); got != "/elsewhere" {
		t.Errorf("with HOME it is %q", got)
	}
	t.Setenv("HOME", "")
	if got := homeDir(); got != u.HomeDir {
		t.Errorf("without HOME it is %q, want %q", got, u.HomeDir)
	}
}
