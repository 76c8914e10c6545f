// Package view holds everything that people and programs read: plans, the progress of a run, status, check, preflight,
// errors, exit codes, and the questions that are asked on the terminal.
//
// It owns the words and the layout. Text and JSON are twins: both are made of the same values. All text passes one
// writer (page.go), so that nothing that a host has said can draw on a terminal. It decides nothing: package plan and
// those below decide what to do, and which certificates count.
package view
