package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"

	"github.com/clusterup/clusterup/durable"
	"github.com/clusterup/clusterup/pool"
)

// kept is the state file: what was in force last, for a start without etcd.
type kept struct {
	Balancer string `json:"balancer"`
	Revision int64  `json:"revision"` // of the keys that it came from
	pool.Force
}

// loadState reads the state file. There is none before the first time.
func loadState(path, balancer string) (kept, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read state: %w", err)
	}
	var k kept
	if err := json.Unmarshal(b, &k); err != nil {
		return kept{}, fmt.Errorf("read state %s: %w", path, err)
	}
	if k.Balancer != balancer {
		return kept{}, fmt.Errorf("read state %s: it is of balancer %s", path, pool.Quote(k.Balancer))
	}
	for name, s := range k.Servers {
		// The file is not believed: all that goes to HAProxy is checked.
		if _, err := pool.ParseServer([]byte(s.Render()), anywhere); err != nil || pool.CheckName(name) != nil {
			return kept{}, fmt.Errorf("read state %s: server %s is not as it must be", path, pool.Quote(name))
		}
	}
	return k, nil
}

// anywhere is for addresses that were in the right networks once.
var anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

func (k kept) equal(other kept) bool {
	return k.Balancer == other.Balancer && k.Revision == other.Revision && k.Spent == other.Spent &&
		maps.Equal(k.Servers, other.Servers)
}

// saveState writes the state file, for its owner alone.
func saveState(path string, k kept) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := durable.WriteAlone(path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
