package view

import (
	"errors"
	"io"

	sys "golang.org/x/sys/unix"
)

// silence has a terminal show nothing of what is typed, and give it out line by line.
func silence(keyboard int) error {
	state, err := sys.IoctlGetTermios(keyboard, getTermios)
	if err != nil {
		return err
	}
	state.Lflag &^= sys.ECHO
	state.Lflag |= sys.ICANON | sys.ISIG
	state.Iflag |= sys.ICRNL
	return sys.IoctlSetTermios(keyboard, setTermios, state)
}

// line reads up to the end of a line, and nothing of what comes after. It changes nothing of the terminal: it may be
// left reading when the question is over.
func line(in io.Reader) ([]byte, error) {
	var text []byte
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		switch {
		case n > 0 && one[0] == '\n':
			return text, nil
		case n > 0:
			text = append(text, one[0])
		case errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		case err != nil:
			return nil, err
		}
	}
}
