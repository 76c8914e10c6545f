//go:build !faults

package main

import "github.com/clusterup/clusterup/apply"

// seam is where a test build injects faults. The shipped binary has none.
func seam() func(point string) error { return nil }

// apart is where a test build splits a piece, so that a fault can come in the middle of it. The shipped binary splits
// none.
func apart() func(point string) bool { return nil }

// compare is where a test build holds the model to the world. The shipped binary does not.
func compare(*apply.Run) {}
