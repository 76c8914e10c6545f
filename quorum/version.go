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
	return ask(ctx, c, endpoint, "ask cluster version of", func(bounded context.Context, n *conn) (string, error) {
		target, err := url.JoinPath(endpoint, "version")
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(bounded, http.MethodGet, target, http.NoBody)
		if err != nil {
			return "", err
		}
		resp, err := n.http.Do(req)
		if err != nil {
			return "", c.httpFault(ctx, n, err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", &Error{Err: fmt.Errorf("GET /version: %s", resp.Status)}
		}
		var answer struct {
			Cluster string `json:"etcdcluster"`
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxVersionAnswer)).Decode(&answer); err != nil {
			return "", &Error{Err: fmt.Errorf("read /version: %w", err)}
		}
		if answer.Cluster == "not_decided" {
			return "", nil
		}
		return answer.Cluster, nil
	})
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
