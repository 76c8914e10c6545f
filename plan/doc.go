// Package plan has the words of plans (steps and their kinds, stages, refusals, risks) and the engine that makes one.
//
// Rules of other packages decide which stage comes next and what it does to what was seen; Build asks them in turn. The
// package knows nothing of etcd. Like those rules it does no I/O, reads no clock and draws no random numbers: the same
// input always gives the same plan.
package plan
