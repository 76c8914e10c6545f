package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"

	"github.com/clusterup/clusterup/node/haproxy"
	"github.com/clusterup/clusterup/pool"
)

// Config is the file that says what to follow. All paths are absolute.
type Config struct {
	Balancer string `json:"balancer"`
	Node     string `json:"node"` // the name of this node, under which it reports

	Endpoints   []string `json:"endpoints"` // client URLs of the members of etcd
	CA          string   `json:"ca"`        // PEM files; needed for https. They are read anew when they change.
	Certificate string   `json:"certificate"`
	Key         string   `json:"key"`

	HAProxy  string            `json:"haproxy"` // the runtime socket, of "level admin"
	Backends []haproxy.Backend `json:"backends"`
	Networks []netip.Prefix    `json:"networks"` // where servers may be; none: anywhere but on the node itself

	State   string `json:"state"`   // the file that keeps what is in force
	Metrics string `json:"metrics"` // a file for Prometheus; "": none
	// DrainSeconds is how long a server whose key is gone keeps its clients. 0: as long as they stay.
	DrainSeconds int `json:"drain_seconds"`
}

// maxConfig bounds the file, in bytes.
const maxConfig = 1 << 20

// LoadConfig reads the file, and checks all of it.
func LoadConfig(path string) (Config, error) {
	var c Config
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if len(b) > maxConfig {
		return c, fmt.Errorf("read configuration %s: it has more than %d bytes", path, maxConfig)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func (c Config) validate() error {
	errs := []error{pool.CheckBalancer(c.Balancer), pool.CheckBalancer(c.Node)}
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Endpoints) == 0 {
		complain("endpoints are missing")
	}
	secure := false
	for _, e := range c.Endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
			complain("endpoint %q is none: want https://HOST:PORT", e)
			continue
		}
		secure = secure || u.Scheme == "https"
	}
	paths := map[string]string{"haproxy": c.HAProxy, "state": c.State}
	if secure {
		paths["ca"], paths["certificate"], paths["key"] = c.CA, c.Certificate, c.Key
	}
	if c.Metrics != "" {
		paths["metrics"] = c.Metrics
	}
	for _, name := range []string{"haproxy", "state", "ca", "certificate", "key", "metrics"} {
		if path, needed := paths[name]; needed && !filepath.IsAbs(path) {
			complain("%s is no absolute path: %q", name, path)
		}
	}
	if len(c.Backends) == 0 {
		complain("backends are missing")
	}
	named := map[string]bool{}
	for _, b := range c.Backends {
		errs = append(errs, b.Validate())
		if named[b.Name] {
			complain("backend %s is there twice", b.Name)
		}
		named[b.Name] = true
	}
	if c.DrainSeconds < 0 {
		complain("drain_seconds is negative")
	}
	return errors.Join(errs...)
}
