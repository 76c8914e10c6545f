package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newHistory(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "history INVENTORY",
		Short: "Show what was done to a cluster, by whom and when, from this operator directory's journal",
		Args:  oneInventory("one inventory"),
		RunE: func(_ *cobra.Command, args []string) error {
			c.json = flags.json
			cluster, err := c.load(args[0], nil, flags)
			if err != nil {
				return err
			}
			entries, err := readEntries(filepath.Join(cluster.Dir, ".clusterup", cluster.Name, "journal.jsonl"))
			if err != nil {
				return err
			}
			return c.showHistory(entries)
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	return cmd
}

// readEntries reads a journal; one that is not there is empty. The journal is for people, so a line that a crash has
// torn is passed over.
func readEntries(path string) ([]entry, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var entries []entry
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Run == "" {
			continue
		}
		// A run has a line for its begin and one for its end, which is the one that counts.
		if i := slices.IndexFunc(entries, func(known entry) bool { return known.Run == e.Run }); i >= 0 {
			entries[i] = e
			continue
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return entries, nil
}

// runObject is one run with --json.
type runObject struct {
	Type string `json:"type"` // "run"
	entry
}

func (c *console) showHistory(entries []entry) error {
	if c.json {
		for _, e := range entries {
			c.object(runObject{"run", e})
		}
		return nil
	}
	if len(entries) == 0 {
		c.say("Nothing was done yet from this operator directory.")
		return nil
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	row(table, "TIME", "RUN", "OPERATOR", "COMMAND", "ETCD", "STEPS", "TOOK", "OUTCOME")
	for _, e := range entries {
		outcome := e.Outcome
		if e.Error != "" {
			outcome += ": " + e.Error
		}
		steps, took := fmt.Sprint(len(e.Steps)), fmt.Sprintf("%.1fs", e.Seconds)
		if e.Outcome == notFinished {
			steps, took = "?", "?"
		}
		row(table, e.Time.Local().Format(time.DateTime), e.Run, e.User+"@"+e.From, e.Command, e.Etcd, steps, took, outcome)
	}
	return table.Flush()
}
