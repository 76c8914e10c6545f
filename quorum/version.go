package quorum

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxVersionAnswer is far more than etcd's three short fields, in bytes.
const maxVersionAnswer = 64 << 10

// ClusterVersion asks the member at endpoint for the version of the cluster, "3.6.0": the lowest minor of all members,
// which etcd raises by itself a few seconds after the last member was upgraded. The status call does not have it, so
// this is GET /version on the same port, over a connection of its own. It needs no quorum and writes nothing. A member
// that has not heard yet says "not_decided"; that becomes "".
func (c *Cluster) ClusterVersion(ctx context.Context, endpoint string) (string, error) {
	_, cluster, err := c.versions(ctx, endpoint, "ask cluster version of")
	if cluster == "not_decided" {
		return "", err
	}
	return cluster, err
}

// versions are those of the server and of the cluster, as GET /version tells them.
func (c *Cluster) versions(ctx context.Context, endpoint, op string) (server, cluster string, err error) {
	type answer struct {
		Server  string `json:"etcdserver"`
		Cluster string `json:"etcdcluster"`
	}
	told, err := ask(ctx, c, endpoint, op, func(bounded context.Context, n *conn) (answer, error) {
		target, err := url.JoinPath(endpoint, "version")
		if err != nil {
			return answer{}, err
		}
		req, err := http.NewRequestWithContext(bounded, http.MethodGet, target, http.NoBody)
		if err != nil {
			return answer{}, err
		}
		resp, err := n.http.Do(req)
		if err != nil {
			return answer{}, c.httpFault(ctx, n, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return answer{}, &Error{Err: fmt.Errorf("GET /version: %s", resp.Status)}
		}
		var told answer
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxVersionAnswer)).Decode(&told); err != nil {
			return answer{}, &Error{Err: fmt.Errorf("read /version: %w", err)}
		}
		return told, nil
	})
	return told.Server, told.Cluster, err
}

// httpFault strips what net/http wraps around a cause: the method and URL are in the Error already. The connection of
// the other calls is not to blame for what happens on this one.
func (c *Cluster) httpFault(ctx context.Context, n *conn, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return n.httpLink.explain(ctx, c.cfg.Timeout, err)
}
