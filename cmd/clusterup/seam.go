//go:build !faults

package main

// seam is where a test build injects faults. The shipped binary has none.
func seam() func(point string) error { return nil }
