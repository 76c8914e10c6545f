package view

import sys "golang.org/x/sys/unix"

const (
	getTermios = sys.TIOCGETA
	setTermios = sys.TIOCSETA
)
