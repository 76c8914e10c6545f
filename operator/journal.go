package operator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/clusterup/clusterup/apply"
	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/inventory"
)

// journal lies in the operator directory, for people. Nothing is ever decided from it.
const journal = "journal.jsonl"

// Note appends one line in one write, so that a journal is never torn by two runs.
func (s *Session) Note(e apply.Entry) error {
	raw, err := json.Marshal(e)
	if err == nil {
		err = os.MkdirAll(s.dir, 0o700)
	}
	if err == nil {
		err = durable.Append(filepath.Join(s.dir, journal), string(raw))
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// ReadEntries reads the journal of a cluster; one that is not there is empty. The journal is for people, so a line that
// a crash has torn is passed over.
func ReadEntries(c *inventory.Cluster) ([]apply.Entry, error) {
	file, err := os.Open(filepath.Join(directory(c), journal))
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
