// Package plan holds all of clusterup's knowledge about order and safety, in one pure function:
//
//	Next(want, seen) → the stage to run now, or nothing, or a refusal
//
// Simulate says what a stage does to a Snapshot, and Build shows the whole way by calling the two in turn. What a stage needs is
// checked on the Snapshot it is decided from, so whoever runs stages gathers right before each one. The package does no I/O, reads
// no clock and draws no random numbers: the same input always gives the same plan.
package plan
