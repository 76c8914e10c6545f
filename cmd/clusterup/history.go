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

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/apply"
)

func newHistory(c *console) *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "history INVENTORY",
		Short: "Show what was done to a cluster, by whom and when, from this operator directory's journal",
		Args:  oneInventory("one inventory"),
		RunE: func(_ *cobra.Command, args []string) error {
			c.JSON = flags.json
			cluster, err := c.load(args[0], nil, flags)
			if err != nil {
				return err
			}
			entries, err := readEntries(filepath.Join(cluster.Dir, ".clusterup", cluster.Name, "journal.jsonl"))
			if err != nil {
				return err
			}
			return c.ShowHistory(entries)
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().BoolVar(&flags.json, "json", false, "write one JSON object a line to stdout")
	return cmd
}

// readEntries reads a journal; one that is not there is empty. The journal is for people, so a line that a crash has
// torn is passed over.
func readEntries(path string) ([]apply.Entry, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var entries []apply.Entry
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e apply.Entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Run == "" {
			continue
		}
		// A run has a line for its begin and one for its end, which is the one that counts.
		if i := slices.IndexFunc(entries, func(known apply.Entry) bool { return known.Run == e.Run }); i >= 0 {
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
