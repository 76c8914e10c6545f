package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/clusterup/clusterup/plan/preflight"
)

func TestShowFindings(t *testing.T) {
	findings := []preflight.Finding{
		{Host: "a", Check: "clock", Level: preflight.LevelFine, Found: "right"},
		{Host: "b", Check: "clock", Level: preflight.LevelFine, Found: "right"},
		{Host: "c", Check: "clock", Level: preflight.LevelFine, Found: "right"},
		{Check: "clock", Level: preflight.LevelWarning, Found: "apart", Do: "mend them"},
		{Host: "a", Check: "reach", Level: preflight.LevelFine, Found: "gets there"},
		{Host: "c", Check: "reach", Level: preflight.LevelFine, Found: "gets there"},
		{Host: "b", Check: "reach", Level: preflight.LevelRefusal, Found: "does not", Do: "let it in"},
	}
	var out bytes.Buffer
	c := &Console{Out: &out}
	err := c.ShowPreflight("prod", 3, findings)
	want := `clock         fine     all       right
              warning  together  apart
                                 → mend them
reach         fine     a, c      gets there
              refusal  b         does not
                                 → let it in

Cluster prod, 3 hosts: 1 refusal, 1 warning, 5 fine: not fit for a bootstrap.
`
	if got := out.String(); got != want || Advice(nil).ExitCode(err) != exitRefused {
		t.Errorf("got\n%s\nwant\n%s, %v", got, want, err)
	}

	out.Reset()
	c.JSON = true
	_ = c.ShowPreflight("prod", 3, findings[6:])
	want = `{"type":"probe","host":"b","check":"reach","level":"refusal","found":"does not","do":"let it in"}
{"type":"preflight","cluster":"prod","hosts":3,"fine":0,"warnings":0,"refusals":1,"exit_code":13}
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A value that has no JSON becomes an error that is JSON.
func TestObjectWithoutJSON(t *testing.T) {
	var out bytes.Buffer
	(&Console{Out: &out}).Object(map[string]any{"a\x01\xff": make(chan int)})
	var said errorObject
	if err := json.Unmarshal(out.Bytes(), &said); err != nil || said.Type != "error" || said.Error == "" ||
		said.ExitCode != ExitFailed {
		t.Errorf("it wrote %q: %v", out.String(), err)
	}
	out.Reset()
	(&Console{Out: &out}).Object(unwritable{})
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Errorf("it wrote %q: %v", out.String(), err)
	}
}

// unwritable fails with words that Go and JSON quote differently.
type unwritable struct{}

func (unwritable) MarshalJSON() ([]byte, error) { return nil, errors.New("\x01\xff\a \U000e0001") }
