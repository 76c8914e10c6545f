package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// logins are clients that log in and write all the time: etcd's own, one on all endpoints and one on each member, or
// one of the JSON gateway.
type logins struct {
	end     context.CancelFunc
	ended   sync.WaitGroup
	mu      sync.Mutex
	done    int
	times   int      // that the client of the gateway has logged in
	refused []string // what etcd said to writes that it let not through, with whom it was said to
}

func startLogins(t *testing.T) (*logins, context.Context) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	return &logins{end: end}, ctx
}

// wrote notes how a write ended.
func (l *logins) wrote(name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.done++
	default:
		l.refused = append(l.refused, name+": "+err.Error())
	}
}

func (l *logins) written(n int) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.done > n
	}
}

// logIn starts etcd's own clients.
func (s *site) logIn(t *testing.T, inv inventory, password string) *logins {
	t.Helper()
	l, ctx := startLogins(t)
	var all []string
	for _, m := range inv.Members {
		all = append(all, inv.url(m))
	}
	for i := -1; i < len(all); i++ {
		name, endpoints := "all endpoints", all
		if i >= 0 {
			name, endpoints = inv.Members[i].Name, all[i:i+1]
		}
		c, err := s.loggedIn(t, inv, password, endpoints...)
		must(t, err)
		l.ended.Go(func() {
			defer c.Close()
			l.writes(ctx, func(ctx context.Context) { l.put(ctx, c, name) })
		})
	}
	until(t, "clients that log in to write", l.written(40))
	return l
}

// writes does something again and again until its context ends.
func (l *logins) writes(ctx context.Context, write func(context.Context)) {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, writePatience)
		write(once)
		cancel()
		<-pause.C
	}
}

// put writes as etcd's own client. A member that is away, and a leader that changes, are no lost login.
func (l *logins) put(ctx context.Context, c *clientv3.Client, name string) {
	_, err := c.Put(ctx, "traffic/old", name)
	answer, _ := status.FromError(err)
	code := answer.Code()
	if known, ok := rpctypes.Error(err).(rpctypes.EtcdError); ok { //nolint:errorlint // as etcd's client gives it
		code = known.Code()
	}
	if err == nil || ctx.Err() == nil && code != codes.Unavailable && answer.Message() != "raft proposal dropped" {
		l.wrote(name, err)
	}
}

// gateway starts a client of the JSON gateway, which does as Patroni does: it logs in when it is told that it has no
// user, or that its token is no good, and tries once more.
func (s *site) gateway(t *testing.T, inv inventory, password string) *logins {
	t.Helper()
	l, ctx := startLogins(t)
	dial := s.dialer()
	web := &http.Client{Transport: &http.Transport{
		TLSClientConfig: s.unnamed(t, inv),
		DialContext:     func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) },
	}}
	g := &jsonClient{logins: l, web: web, password: password}
	for _, m := range inv.Members {
		g.urls = append(g.urls, inv.url(m))
	}
	l.ended.Go(func() { l.writes(ctx, g.write) })
	until(t, "a client of the gateway to write", l.written(10))
	return l
}

// jsonClient is a client of the JSON gateway that goes to the next member when one does not answer.
type jsonClient struct {
	*logins
	web             *http.Client
	urls            []string
	password, token string
}

// noUser is what etcd says where a token is missing or no good any more.
var noUser = []string{"user name is empty", "invalid auth token", "revision of auth store is old", "revision in header is old"}

func (g *jsonClient) write(ctx context.Context) {
	said, code := g.ask(ctx, "/v3/kv/put", put("traffic/old"))
	if slices.ContainsFunc(noUser, func(text string) bool { return strings.Contains(said, text) }) {
		g.logIn(ctx)
		said, code = g.ask(ctx, "/v3/kv/put", put("traffic/old"))
	}
	switch code {
	case http.StatusOK:
		g.wrote("gateway", nil)
	case 0, http.StatusServiceUnavailable: // it is away, or a leader is elected
	default:
		if !strings.Contains(said, "raft proposal dropped") {
			g.wrote("gateway", fmt.Errorf("%d %s", code, said))
		}
	}
}

// logIn takes a token, none where permissions are off.
func (g *jsonClient) logIn(ctx context.Context) {
	said, code := g.ask(ctx, "/v3/auth/authenticate", map[string]string{"name": "old", "password": g.password})
	var answer struct {
		Token string `json:"token"`
	}
	if code == http.StatusOK && json.Unmarshal([]byte(said), &answer) == nil {
		g.token = answer.Token
		g.mu.Lock()
		g.times++
		g.mu.Unlock()
	}
}

// ask asks one member after the other until one answers; 0: none does.
func (g *jsonClient) ask(ctx context.Context, path string, question any) (string, int) {
	raw, err := json.Marshal(question)
	if err != nil {
		return err.Error(), http.StatusBadRequest
	}
	for range g.urls {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.urls[0]+path, bytes.NewReader(raw))
		if err != nil {
			return err.Error(), http.StatusBadRequest
		}
		request.Header.Set("Accept", "*/*")
		if g.token != "" {
			request.Header.Set("Authorization", g.token)
		}
		answer, err := g.web.Do(request)
		if err == nil {
			body, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err == nil && answer.StatusCode != http.StatusServiceUnavailable {
				return string(body), answer.StatusCode
			}
		}
		g.urls = append(g.urls[1:], g.urls[0])
	}
	return "", 0
}

// stop ends them; each refusal but those that are known is a login that was lost.
func (l *logins) stop(t *testing.T, known ...error) {
	t.Helper()
	l.end()
	l.ended.Wait()
	lost := slices.DeleteFunc(slices.Clone(l.refused), func(text string) bool {
		return slices.ContainsFunc(known, func(err error) bool { return strings.HasSuffix(text, err.Error()) })
	})
	t.Logf("clients that log in wrote %d times; refused: %d; logins at the gateway: %d", l.done, len(l.refused), l.times)
	if len(lost) > 0 {
		t.Errorf("%d logins were lost: %q", len(lost), lost[:min(len(lost), 8)])
	}
}
