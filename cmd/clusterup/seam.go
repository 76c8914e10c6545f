//go:build !faults

package main

import "github.com/clusterup/clusterup/apply"

// seam is where a test build injects faults. The shipped binary has none.
func seam() func(point string) error { return nil }

// apart is where a test build has what goes to a host as one end before a fault. The shipped binary has no such place.
func apart() func(point string) bool { return nil }

// compare is where a test build holds the model to the world. The shipped binary does not.
func compare(*apply.Run) {}
