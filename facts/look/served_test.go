package look

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clusterup/clusterup/facts"
)

// Every port with TLS is looked at from all other hosts, or from its own where there is no other; what cannot be seen
// is told with its reason.
func TestShake(t *testing.T) {
	const secure = "--listen-peer-urls=https://10.0.0.1:2380"
	three := map[string]facts.Ask{"a": {Peer: "10.0.0.1:2380"}, "b": {}, "c": {}}
	for name, test := range map[string]struct {
		asks     map[string]facts.Ask
		args     []string
		endpoint string
		want     map[string][]facts.Served
	}{
		"three members": {three, []string{"etcd", secure}, "https://10.0.0.1:2379", map[string][]facts.Served{
			"peer":   {{From: "b", SHA256: sumOf("10.0.0.1:2380 peer"), Name: "peer:a"}, {From: "c", Error: "refused"}},
			"server": {{From: "b", SHA256: sumOf("10.0.0.1:2379 server"), Name: "server:a"}, {From: "c", Error: "refused"}},
		}},
		"the only one": {
			map[string]facts.Ask{"a": {Peer: "10.0.0.1:2380"}},
			[]string{"etcd", secure},
			"https://10.0.0.1:2379",
			map[string][]facts.Served{
				"peer":   {{From: "a", SHA256: sumOf("10.0.0.1:2380 peer"), Name: "peer:a"}},
				"server": {{From: "a", SHA256: sumOf("10.0.0.1:2379 server"), Name: "server:a"}},
			},
		},
		"no TLS for peers": {
			three,
			[]string{"etcd", "--listen-peer-urls=http://10.0.0.1:2380"},
			"https://10.0.0.1:2379",
			map[string][]facts.Served{
				"server": {{From: "b", SHA256: sumOf("10.0.0.1:2379 server"), Name: "server:a"}, {From: "c", Error: "refused"}},
			},
		},
		"no certificate": {
			map[string]facts.Ask{"a": {Peer: "10.0.0.1:2380"}, "d": {}},
			[]string{"etcd", secure},
			"",
			map[string][]facts.Served{
				"peer": {{From: "d", Error: "handshake: it has no certificate that it can show", Broken: true}},
			},
		},
		"no TLS at all": {three, []string{"etcd"}, "http://10.0.0.1:2379", map[string][]facts.Served{}},
	} {
		t.Run(name, func(t *testing.T) {
			src := Source{Asks: test.asks, Handshake: func(_ context.Context, k Knock) ([]*x509.Certificate, error) {
				if k.From == "d" {
					return nil, fmt.Errorf("handshake: %w", facts.ErrNoCertificate)
				}
				if k.From == "c" {
					return nil, errors.New("refused")
				}
				cert := &x509.Certificate{Raw: []byte(k.Address + " " + k.Role), Subject: pkix.Name{CommonName: k.Role + ":a"}}
				if k.Role == "server" {
					cert.Subject = pkix.Name{OrganizationalUnit: []string{"server:a"}}
				}
				return []*x509.Certificate{cert}, nil
			}}
			got := looker{src: src}.shake(t.Context(), "a",
				facts.Host{Member: facts.Member{Process: &facts.Process{Args: test.args}, Endpoint: test.endpoint}})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got %s", diff)
			}
		})
	}
	if got := (looker{src: Source{Asks: three}}).shake(t.Context(), "a", facts.Host{}); got != nil {
		t.Errorf("nobody looks, and sees %v", got)
	}
}

// Whatever command line a process has, its doors are asked at no more than one address each.
func FuzzShake(f *testing.F) {
	f.Add("--listen-peer-urls=https://[::]:2380 --advertise-client-urls=https://10.0.0.1:2379,x")
	f.Add("--advertise-client-urls=https://[::1%25\x1b]:99999/%zz")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		src := Source{
			Asks:      map[string]facts.Ask{"a": {Peer: "10.0.0.1:2380"}, "b": {}},
			Handshake: func(context.Context, Knock) ([]*x509.Certificate, error) { return nil, facts.ErrNoCertificate },
		}
		host := facts.Host{Member: facts.Member{
			Process:  &facts.Process{Args: args},
			Endpoint: serving(args, "https://10.0.0.1:2379"),
		}}
		seen := looker{src: src}.shake(t.Context(), "a", host)
		if len(seen) > 2 || len(seen["peer"]) > 1 || len(seen["server"]) > 1 {
			t.Errorf("%+v", seen)
		}
	})
}
