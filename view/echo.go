package view

import sys "golang.org/x/sys/unix"

// silence has a terminal show nothing of what is typed.
func silence(keyboard int) error {
	state, err := sys.IoctlGetTermios(keyboard, getTermios)
	if err != nil {
		return err
	}
	state.Lflag &^= sys.ECHO
	return sys.IoctlSetTermios(keyboard, setTermios, state)
}
