package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/plan/trust"
	"github.com/clusterup/clusterup/view"
)

// aging is a cluster that exists as facts alone, whose operator looks at it once a month, and does what check says.
type aging struct {
	t       *testing.T
	session *session
	want    etcd.Want
	seen    facts.Snapshot
	issued  int
	since   map[string]time.Time // certificates that are near their end, since when
	renewed map[string]int       // what was seen of them: "leaf", "peer CA", "client CA", "client"
}

const month = 30 * 24 * time.Hour

func newAging(t *testing.T, pki string) *aging {
	t.Helper()
	text := "cluster \"prod\" {\n  version = \"3.6.16\"\n" + pki + "\n"
	for i := range 3 {
		text += fmt.Sprintf("  member \"etcd-%d\" { address = \"10.0.0.1%d\" }\n", i+1, i+1)
	}
	file, diags := inventory.Parse([]byte(text+"}\n"), "prod.hcl", inventory.Options{Home: "/home/op"})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	c := file.Clusters[0]
	release := plan.Release{
		Version: "3.6.16", Arch: "amd64", SHA256: "1a2b3c4d5e6f7081",
		Binaries: map[string]string{"etcd": "e", "etcdctl": "c", "etcdutl": "u"},
	}
	a := &aging{
		t: t, session: sessionOf(c), since: map[string]time.Time{}, renewed: map[string]int{},
		want: etcd.Want{Cluster: c, Token: "t", Releases: map[string]plan.Release{release.Pin(): release}},
		seen: facts.Snapshot{Taken: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Hosts: map[string]facts.Host{}},
	}
	for _, m := range c.Members {
		a.seen.Hosts[m.Name] = facts.Host{Machine: facts.Machine{
			Name: m.Name, Arch: "amd64", Systemd: 252, MachineID: m.Name,
			Rooms: map[string]facts.Room{"data": {Dir: "/var/lib", Size: 1 << 40, Free: 1 << 40}},
			Files: map[string]facts.File{},
		}}
	}
	a.apply(a.want)
	for _, m := range c.Members {
		a.seen.Members = append(a.seen.Members,
			facts.Listed{
				ID: a.seen.Hosts[m.Name].Data.MemberID, Name: m.Name,
				PeerURLs: []string{"https://" + m.Address + ":2380"}, ClientURLs: []string{"https://" + m.Address + ":2379"},
			})
	}
	return a
}

// apply goes on until nothing is left to do.
func (a *aging) apply(w etcd.Want) {
	a.t.Helper()
	for range 100 {
		stage, err := etcd.Next(w, a.seen)
		if err != nil {
			a.t.Fatalf("%s: %v", a.seen.Taken.Format(time.DateOnly), err)
		}
		if stage == nil {
			return
		}
		a.seen = etcd.Simulate(w, a.seen, *stage)
	}
	a.t.Fatal("no end")
}

// issue gives a client a certificate of the CA that signs.
func (a *aging) issue(name string) {
	a.issued++
	for _, ca := range etcd.Trust(a.want, a.seen).Authorities() {
		if ca.Role == "client" && ca.Signs {
			end := a.seen.Taken.Add(a.want.Cluster.PKI.Lifetime)
			if ca.NotAfter.Before(end) {
				end = ca.NotAfter
			}
			a.seen.Operator.Clients = append(slices.Clone(a.seen.Operator.Clients), facts.Client{
				Name: name, Serial: fmt.Sprint(a.issued), Generation: ca.Generation, NotBefore: a.seen.Taken, NotAfter: end,
			})
		}
	}
	slices.SortStableFunc(a.seen.Operator.Clients, func(x, y facts.Client) int { return x.NotBefore.Compare(y.NotBefore) })
}

// month passes: check, what it says to do, apply.
func (a *aging) month(clients ...string) {
	a.seen.Taken = a.seen.Taken.Add(month)
	p, err := etcd.Build(a.want, a.seen)
	if err != nil {
		a.t.Fatalf("%s: %v", a.seen.Taken.Format(time.DateOnly), err)
	}
	result := a.session.looked(p, a.seen, nil).Check()
	a.hold(result)
	if result.OK && !p.Empty() {
		a.t.Errorf("%s: check finds nothing, and there is something to do: %v", a.seen.Taken.Format(time.DateOnly), p.Stages)
	}
	w := a.want
	for _, f := range result.Findings {
		switch f.Kind {
		case "rotation": // the clients have been told by now
			w = etcd.RotateCA(w, a.seen, []string{"client"}, trust.HoldLeaves)
			a.apply(w)
			for _, name := range clients {
				a.issue(name)
			}
			w = etcd.RotateCA(a.want, a.seen, []string{"client"}, "")
		case "expiry":
			for _, name := range clients {
				a.issue(name)
			}
		case "drift":
		default:
			a.t.Errorf("%s: %s: %s", a.seen.Taken.Format(time.DateOnly), f.Kind, f.Text)
		}
	}
	a.apply(w)
}

// hold fails when a certificate has been near its end for longer than a month.
func (a *aging) hold(result view.Checked) {
	near := map[string]time.Time{}
	for _, e := range result.Expiries {
		if e.NotAfter.Sub(a.seen.Taken) >= a.want.Cluster.PKI.RenewBefore {
			continue
		}
		key := fmt.Sprint(e, e.NotAfter)
		near[key] = a.seen.Taken
		if began, known := a.since[key]; known {
			near[key] = began
		}
		if age := a.seen.Taken.Sub(near[key]); age > month {
			a.t.Fatalf("%s: %s ends on %s, and is near its end for %s", a.seen.Taken.Format(time.DateOnly), e,
				e.NotAfter.Format(time.DateOnly), age)
		}
	}
	for key := range a.since {
		if _, still := near[key]; !still {
			a.renewed[key]++
		}
	}
	a.since = near
}

// generations are the newest of each role.
func (a *aging) generations() map[string]int {
	newest := map[string]int{}
	for _, ca := range etcd.Trust(a.want, a.seen).Authorities() {
		newest[ca.Role] = max(newest[ca.Role], ca.Generation)
	}
	return newest
}

// Five years of monthly check and apply: no certificate is ever within renew_before of its end for longer than a month,
// CAs included.
func TestFiveYears(t *testing.T) {
	for name, test := range map[string]struct {
		pki         string
		clients     []string
		generations int // of each CA in the end, at the least
		renewals    int // of certificates that came near their end, at the least
		issued      int // to clients, at the least
	}{
		"as it comes":                   {"", nil, 1, 30, 0},
		"with a client":                 {"", []string{"app"}, 1, 36, 7},
		"CAs of two years":              {`pki { ca_lifetime = "2y" }`, nil, 4, 20, 0},
		"CAs of two years, and clients": {`pki { ca_lifetime = "2y" }`, []string{"app", "web"}, 4, 20, 20},
		"CAs hardly longer than leaves": {"pki {\n ca_lifetime = \"400d\"\n lifetime = \"365d\"\n}", nil, 8, 0, 0},
		"leaves of three months, CAs of one": {
			"pki {\n ca_lifetime = \"1y\"\n lifetime = \"90d\"\n renew_before = \"40d\"\n}", []string{"app"}, 5, 150, 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t, test.pki)
			for _, client := range test.clients {
				a.issue(client)
			}
			for range 61 {
				a.month(test.clients...)
			}
			for role, is := range a.generations() {
				if is < test.generations {
					t.Errorf("%s CA %d only, want %d", role, is, test.generations)
				}
			}
			if len(a.renewed) < test.renewals {
				t.Errorf("%d certificates came near their end and were renewed, want %d", len(a.renewed), test.renewals)
			}
			if a.issued < test.issued {
				t.Errorf("%d client certificates, want %d", a.issued, test.issued)
			}
			t.Logf("CAs %v, %d certificates renewed near their end, %d client certificates", a.generations(), len(a.renewed),
				a.issued)
		})
	}
}

// sessionOf is one that never looks.
func sessionOf(c *inventory.Cluster) *session {
	return &session{Session: &operator.Session{Cluster: c}, file: "prod.hcl"}
}
