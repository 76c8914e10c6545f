//go:build !linux

package lab

import (
	"errors"
)

// Off Linux the package only builds, so that clusterup does. Preflight keeps every call from getting here.
var errLinux = errors.New("a lab needs Linux")

func mountOverlay(_, _, _, _ string) error { return errLinux }
func unmount(string) error                 { return errLinux }
func killIf(int, func(int) bool) error     { return errLinux }
func inNetns(string, func() error) error   { return errLinux }
func mountInto(_ int, _, _ string) error   { return errLinux }
func deviceOf(string) (string, error)      { return "", errLinux }
