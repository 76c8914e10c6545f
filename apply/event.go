package apply

import "time"

// EventType says what happened.
type EventType string

// All events.
const (
	StageStarted EventType = "stage-started"
	StageDone    EventType = "stage-done"
	StepStarted  EventType = "step-started"
	StepProgress EventType = "step-progress" // bytes sent
	StepNote     EventType = "step-note"     // what a step has to say of what it did
	StepDone     EventType = "step-done"
	StepFailed   EventType = "step-failed"
	Verifying    EventType = "verifying"
	Verified     EventType = "verified"
)

// Event is one thing that happened during a run. It holds nothing secret.
type Event struct {
	Type    EventType `json:"type"`
	Time    time.Time `json:"time"`
	Stage   string    `json:"stage,omitempty"`
	Step    string    `json:"step,omitempty"` // the step's ID
	Kind    string    `json:"kind,omitempty"` // the step's kind
	Host    string    `json:"host,omitempty"`
	Text    string    `json:"text,omitempty"`    // why, or what was found
	Seconds float64   `json:"seconds,omitempty"` // how long it took
	Done    int64     `json:"done,omitempty"`    // bytes
	Total   int64     `json:"total,omitempty"`   // bytes
	Steps   int       `json:"steps,omitempty"`   // of a stage
	Error   string    `json:"error,omitempty"`
}
