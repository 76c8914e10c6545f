package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusterup/clusterup/facts"
)

// network is hosts that can reach each other, unless something is in the way.
type network struct {
	mu     sync.Mutex
	serve  map[string]func(net.Conn) // by address: who listens there
	broken map[string]error          // "FROM→ADDRESS": what a connection meets
	held   int                       // listeners that have not been released
}

// probedHost is one of them. It refuses what it was not told.
type probedHost struct {
	net    *network
	name   string
	answer string // of its script
	hold   string // why nothing listens at its doors; empty: something does
	deaf   bool   // nothing ever listens there
	tell   string // what it tells those who connect; empty: what it was asked to
	sees   string // from where it sees others come
	clips  bool   // nothing comes back of what it is sent
	stuck  bool   // its script never ends by itself
}

var listens, says = regexp.MustCompile(`(?m)^listen='(.+)'$`), regexp.MustCompile(`(?m)^nonce='(.+)'$`)

func (h *probedHost) AskUntil(ctx context.Context, script string, until <-chan struct{}, out io.Writer) error {
	if !strings.Contains(script, "say cpus") {
		return errors.New("an unknown script")
	}
	if at, nonce := listens.FindStringSubmatch(script), says.FindStringSubmatch(script); at != nil {
		if err := h.listen(ctx, strings.Fields(at[1]), nonce[1], until, out); err != nil {
			return err
		}
	}
	if h.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := io.WriteString(out, h.answer)
	return err
}

func (h *probedHost) listen(ctx context.Context, at []string, nonce string, until <-chan struct{},
	out io.Writer,
) error {
	if h.deaf {
		<-until
		return errors.New("no answer")
	}
	if h.hold != "" {
		_, err := io.WriteString(out, "doors\t"+h.hold+"\n")
		return err
	}
	h.net.mu.Lock()
	h.net.held++
	for _, address := range at {
		h.net.serve[address] = func(c net.Conn) { h.answers(c, nonce) }
	}
	h.net.mu.Unlock()
	_, err := io.WriteString(out, "doors\t\ncaller\t11\t"+h.sees+"\n")
	select {
	case <-until:
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.held--
	return err
}

// answers is process 11, which answers who calls.
func (h *probedHost) answers(c net.Conn, nonce string) {
	defer c.Close()
	if h.tell != "" {
		_, _ = io.WriteString(c, h.tell+"\n")
		return
	}
	if _, err := io.WriteString(c, nonce+" 11\n"); err != nil {
		return
	}
	if h.clips {
		_, _ = io.ReadFull(c, make([]byte, 1000)) // and no more
		_, _ = io.Copy(io.Discard, c)
		return
	}
	whole := make([]byte, ballast)
	if _, err := io.ReadFull(c, whole); err == nil {
		_, _ = c.Write(whole)
	}
}

var errSilence = errors.New("silence")

func (h *probedHost) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return nil, errors.New("no such network")
	}
	h.net.mu.Lock()
	serve, err := h.net.serve[address], h.net.broken[h.name+"→"+address]
	h.net.mu.Unlock()
	switch {
	case errors.Is(err, errSilence):
		<-ctx.Done()
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	case serve == nil:
		return nil, fmt.Errorf("connect to %s: connection refused", address)
	}
	near, far := net.Pipe()
	go serve(far)
	return near, nil
}

const plainAnswer = "cpus\t2\nend\n"

// pair is two hosts with one door each.
func pair() (Source, *probedHost, *probedHost, *network) {
	n := &network{serve: map[string]func(net.Conn){}, broken: map[string]error{}}
	a, b := &probedHost{net: n, name: "a", answer: plainAnswer}, &probedHost{net: n, name: "b", answer: plainAnswer}
	ask := func(address string) Ask {
		return Ask{DataDir: "/data", Doors: []Door{{Name: "peer", Address: address, Listen: address}}}
	}
	return Source{
		Asks: map[string]Ask{"a": ask("10.0.0.1:2380"), "b": ask("10.0.0.2:2380")}, Hosts: map[string]Host{"a": a, "b": b},
		Nonce: "c0ffee", Now: time.Now,
	}, a, b, n
}

// outcome is each try in a few words.
func outcome(probes map[string]Probe) []string {
	var all []string
	for name, probe := range probes {
		for _, r := range probe.Reach {
			state := "ok"
			if !r.OK() {
				state = r.Error + r.Skipped
			}
			all = append(all, fmt.Sprintf("%s→%s %s", name, r.To, state))
		}
	}
	slices.Sort(all)
	return all
}

func TestGatherProbes(t *testing.T) {
	cert, sum := certificateOf(t)
	running := func(src Source, n *network, leaf string) {
		src.Asks["b"] = Ask{
			DataDir: "/data",
			Doors:   []Door{{Name: "peer", Address: "10.0.0.2:2380", Running: true, Leaf: leaf}},
		}
		n.serve["10.0.0.2:2380"] = func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}).Handshake()
			_ = c.Close()
		}
	}
	tests := map[string]struct {
		change func(src *Source, a, b *probedHost, n *network)
		want   []string
	}{
		"all well": {nil, []string{"a→a ok", "a→b ok", "b→a ok", "b→b ok"}},
		"no listener in time": {
			func(_ *Source, _, b *probedHost, _ *network) { b.deaf = true },
			[]string{
				"a→a ok", "a→b no listener could be set up within 30s",
				"b→a ok", "b→b no listener could be set up within 30s",
			},
		},
		"one way": {
			func(_ *Source, _, _ *probedHost, n *network) {
				n.broken["a→10.0.0.2:2380"] = errors.New("no route to host")
			},
			[]string{"a→a ok", "a→b no route to host", "b→a ok", "b→b ok"},
		},
		"silence": {
			func(_ *Source, _, _ *probedHost, n *network) { n.broken["b→10.0.0.1:2380"] = errSilence },
			[]string{"a→a ok", "a→b ok", "b→a no answer within 5s", "b→b ok"},
		},
		"no forwarding": {
			func(_ *Source, _, _ *probedHost, n *network) {
				n.broken["a→10.0.0.1:2380"] = fmt.Errorf("%w: prohibited", facts.ErrNoForwarding)
				n.broken["a→10.0.0.2:2380"] = facts.ErrNoForwarding
			},
			[]string{
				"a→a the host forwards no connections: prohibited", "a→b the host forwards no connections", "b→a ok",
				"b→b ok",
			},
		},
		"no listener": {
			func(_ *Source, _, b *probedHost, _ *network) { b.hold = "cannot listen: Address already in use" },
			[]string{
				"a→a ok", "a→b no listener could be set up: cannot listen: Address already in use",
				"b→a ok", "b→b no listener could be set up: cannot listen: Address already in use",
			},
		},
		"the wrong one answers": {
			func(_ *Source, _, b *probedHost, _ *network) { b.tell = "decaff" },
			[]string{
				"a→a ok", "a→b another server than the listener answers at 10.0.0.2:2380",
				"b→a ok", "b→b another server than the listener answers at 10.0.0.2:2380",
			},
		},
		"it says nothing": {
			func(_ *Source, _, b *probedHost, _ *network) { b.tell = "c" },
			[]string{
				"a→a ok", "a→b read what answers at 10.0.0.2:2380: unexpected EOF after 2 bytes",
				"b→a ok", "b→b read what answers at 10.0.0.2:2380: unexpected EOF after 2 bytes",
			},
		},
		"long packets lost": {
			func(_ *Source, _, b *probedHost, _ *network) { b.clips = true },
			[]string{
				"a→a ok", "a→b short packets come through, and long ones do not within 6s",
				"b→a ok", "b→b short packets come through, and long ones do not within 6s",
			},
		},
		"the member answers": {
			func(src *Source, _, _ *probedHost, n *network) { running(*src, n, sum) },
			[]string{"a→a ok", "a→b ok", "b→a ok", "b→b ok"},
		},
		"another member answers": {
			func(src *Source, _, _ *probedHost, n *network) { running(*src, n, strings.Repeat("0", 64)) },
			[]string{
				"a→a ok", "a→b another server than the member answers there: it shows another certificate",
				"b→a ok", "b→b another server than the member answers there: it shows another certificate",
			},
		},
		"a host that cannot be looked at": {
			func(src *Source, _, _ *probedHost, _ *network) { delete(src.Hosts, "b") },
			[]string{"a→a ok", "a→b the host could not be looked at"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, a, b, n := pair()
				if test.change != nil {
					test.change(&src, a, b, n)
				}
				probes := Gather(t.Context(), src)
				if got := outcome(probes); !slices.Equal(got, test.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
				}
				if n.held != 0 {
					t.Errorf("%d listeners are left", n.held)
				}
				if probes["a"].CPUs != 2 || probes["a"].Failed != "" {
					t.Errorf("probe of a is %+v", probes["a"])
				}
			})
		})
	}
}

// A listener says from where it sees others come, and as much as that is believed.
func TestGatherProbesSource(t *testing.T) {
	for said, want := range map[string]string{
		"10.0.0.9:4711": "10.0.0.9", "[::ffff:10.0.0.9]:4711": "10.0.0.9",
		"[fd00::9]:1": "fd00::9", "-": "", "me": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			src, _, b, _ := pair()
			b.sees = said
			for _, r := range Gather(t.Context(), src)["a"].Reach {
				if r.To == "b" && (r.From != want || !r.OK()) {
					t.Errorf("%q is read as %+v", said, r)
				}
			}
		})
	}
}

// A host whose answer is of no use fails alone, and what others found out stays.
func TestGatherProbesFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, _, b, _ := pair()
		b.answer = "nonsense"
		probes := Gather(t.Context(), src)
		if probes["b"].Failed == "" || probes["b"].Err == nil || len(probes["b"].Reach) != 2 || probes["a"].Failed != "" {
			t.Errorf("probes are %+v", probes)
		}
	})
}

// Hosts that cannot be looked at are among those that can, in any order. The race detector shows whether the results of
// both kinds are written one at a time.
func TestGatherProbesDark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, _, b, _ := pair()
		b.hold = "no tool to listen with"
		for i := range 20 {
			src.Asks[fmt.Sprintf("dark-%d", i)] = src.Asks["a"]
		}
		for range 20 {
			if probes := Gather(t.Context(), src); len(probes) != 2 || probes["a"].Failed != "" {
				t.Fatalf("probes are %+v", probes)
			}
		}
	})
}

func TestGatherProbesCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, a, _, n := pair()
		a.stuck = true
		n.broken["a→10.0.0.2:2380"] = errSilence
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		probes := Gather(ctx, src)
		if n.held != 0 {
			t.Errorf("%d listeners are left", n.held)
		}
		if !errors.Is(probes["a"].Err, context.DeadlineExceeded) {
			t.Errorf("probe of a is %+v", probes["a"])
		}
	})
}

func certificateOf(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, hex.EncodeToString(sum[:])
}
