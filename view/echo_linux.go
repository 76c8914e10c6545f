package view

import sys "golang.org/x/sys/unix"

const (
	getTermios = sys.TCGETS
	setTermios = sys.TCSETS
)
