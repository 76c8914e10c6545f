package node

import (
	"context"
	"log"
	"net"
	"sync"
	"time"

	"github.com/clusterup/clusterup/quorum"
)

const (
	// callTimeout bounds a call to etcd, the TLS handshake included, which takes long on a busy machine; dialTimeout the
	// TCP connection that it needs first, so that a host without power costs less.
	callTimeout = 4 * time.Second
	dialTimeout = time.Second
)

// client is the way to etcd, with the certificates that lie there now.
type client struct {
	cfg Config
	log *log.Logger

	mu      sync.Mutex
	cluster *quorum.Cluster
	pair    pair
	trouble string // what was wrong with the files last
}

// get gives the connections to etcd, new ones if the files have changed. When they cannot be read, or key and
// certificate do not belong together yet, the old ones are good.
func (c *client) get() (*quorum.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := loadTLS(c.cfg)
	if err != nil {
		if c.cluster == nil {
			return nil, err
		}
		if c.trouble != err.Error() {
			c.trouble = err.Error()
			c.log.Printf("%s; the certificates from before stay in use", err)
		}
		return c.cluster, nil
	}
	c.trouble = ""
	if c.cluster != nil && c.pair.digest == now.digest {
		return c.cluster, nil
	}
	if c.cluster != nil {
		c.log.Print("the certificates have changed")
		_ = c.cluster.Close() // what it was doing is done again
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	c.pair = now
	c.cluster = quorum.New(quorum.Config{
		TLS: now.config, Timeout: callTimeout,
		Dial: func(ctx context.Context, endpoint string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", endpoint)
		},
	})
	return c.cluster, nil
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster != nil {
		_ = c.cluster.Close()
	}
}
