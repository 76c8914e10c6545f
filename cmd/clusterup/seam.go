//go:build !faults

package main

import "github.com/clusterup/clusterup/apply"

// seam is where a test build injects faults. The shipped binary has none.
func seam() func(point string) error { return nil }

// compare is where a test build holds the model to the world. The shipped binary does not.
func compare(*apply.Run) {}
