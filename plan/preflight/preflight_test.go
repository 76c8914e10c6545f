package preflight

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/facts/probe"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/etcd"
)

// fit is hosts that preflight has nothing to say about, with the probes that were asked for.
func fit(t *testing.T, w etcd.Want, s facts.Snapshot) (facts.Snapshot, map[string]probe.Probe) {
	t.Helper()
	probes := map[string]probe.Probe{}
	asks := Asks(w.Cluster, s, false)
	for i, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) { h.Memory, h.BootID = 8<<30, fmt.Sprint("boot-", i) })
		disk := probe.Place{Dir: "/var/lib", Type: "ext4", Mount: "/", Options: []string{"rw"}, Free: 100 << 30}
		probed := probe.Probe{
			CPUs: 4, Synced: "yes", Services: []string{"chrony"},
			Places: map[string]probe.Place{"data": disk, "wal": disk, "opt": disk},
			Fsync: probe.Latency{
				Samples: 200, P50: time.Millisecond, P99: 2 * time.Millisecond, Max: 3 * time.Millisecond,
				Floor: 1e4,
			},
			Addresses: []probe.HostAddress{{IP: "127.0.0.1"}, {IP: m.Address}}, OpenFiles: 1 << 20,
			Pings: map[string]time.Duration{},
		}
		for _, other := range w.Cluster.Members {
			for _, door := range asks[other.Name].Doors {
				probed.Reach = append(probed.Reach, probe.Reach{To: other.Name, Door: door, Took: time.Millisecond})
			}
		}
		for _, address := range asks[m.Name].Ping {
			probed.Pings[address] = 2e5
		}
		probes[m.Name] = probed
	}
	return s, probes
}

// lines are the findings that are not fine.
func findingLines(findings []Finding) []string {
	var lines []string
	for _, f := range findings {
		if f.Level != LevelFine {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", f.Host, f.Check, f.Level, f.Found)))
		}
	}
	return lines
}

// reachFrom changes the tries of one host to the doors of another.
func reachFrom(p *probe.Probe, to string, do func(*probe.Reach)) {
	p.Reach = slices.Clone(p.Reach)
	for i := range p.Reach {
		if p.Reach[i].To == to {
			do(&p.Reach[i])
		}
	}
}

func TestPreflight(t *testing.T) {
	// Each changes the host or the probe of etcd-2.
	tests := map[string]struct {
		host  func(*facts.Host)
		probe func(*probe.Probe)
		want  []string
	}{
		"fit": {},
		"architecture": {
			host: func(h *facts.Host) { h.Arch = "mips" },
			want: []string{"etcd-2 architecture refusal: there is no etcd for mips", "architecture warning: amd64 and mips"},
		},
		"no systemd": {
			host: func(h *facts.Host) { h.Systemd = 0 },
			want: []string{"etcd-2 systemd refusal: PID 1 is not systemd"},
		},
		"old systemd": {
			host: func(h *facts.Host) { h.Systemd = 241 },
			want: []string{"etcd-2 systemd warning: systemd 241 does not know all of the unit's hardening"},
		},
		"ancient systemd": {
			host: func(h *facts.Host) { h.Systemd = 219 },
			want: []string{"etcd-2 systemd refusal: systemd 219 is too old for the unit"},
		},
		"a tool missing": {
			host: func(h *facts.Host) { h.Missing = []string{"tar"} },
			want: []string{"etcd-2 tools refusal: the command tar is missing"},
		},
		"ss missing": {
			host: func(h *facts.Host) { h.Missing = []string{"ss"} },
			want: []string{"etcd-2 tools warning: the command ss is missing: who holds a port is not known"},
		},
		"clock a bit off": {
			host: func(h *facts.Host) { h.ClockOffset = -1500 * time.Millisecond },
			want: []string{
				"etcd-2 clock warning: 1.5s behind this machine's",
				"clock warning: etcd-2 and etcd-1 are 1.5s apart",
			},
		},
		"clock far off": {
			host: func(h *facts.Host) { h.ClockOffset = 24 * time.Hour },
			want: []string{
				"etcd-2 clock refusal: 24h0m0s ahead of this machine's, and certificates would not be valid there",
				"clock refusal: etcd-1 and etcd-2 are 24h0m0s apart, and certificates may not be valid on both",
			},
		},
		"nothing keeps time": {
			probe: func(p *probe.Probe) { p.Synced, p.Services = "no", nil },
			want:  []string{"etcd-2 time-sync warning: nothing keeps the clock right"},
		},
		"not yet in time": {
			probe: func(p *probe.Probe) { p.Synced = "no" },
			want:  []string{"etcd-2 time-sync warning: chrony runs, and the clock is not synchronized yet"},
		},
		"container":     {probe: func(p *probe.Probe) { p.Synced, p.Services = "container", nil }},
		"one processor": {probe: func(p *probe.Probe) { p.CPUs = 1 }, want: []string{"etcd-2 processors warning: 1"}},
		"little memory": {
			host: func(h *facts.Host) { h.Memory = 512 << 20 },
			want: []string{"etcd-2 memory warning: 512 MiB"},
		},
		"swap": {
			probe: func(p *probe.Probe) { p.Swap = 2 << 30 },
			want:  []string{"etcd-2 swap warning: 2.0 GiB"},
		},
		"few files": {
			probe: func(p *probe.Probe) { p.OpenFiles = 4096 },
			want:  []string{"etcd-2 open-files warning: a unit may have 4096 at most"},
		},
		"little space": {
			probe: place("data", func(p *probe.Place) { p.Free = 1 << 30 }),
			want:  []string{"etcd-2 disk-space warning: 1.0 GiB free for data on /, less than the quota of 8.0 GiB"},
		},
		"no space": {
			probe: place("data", func(p *probe.Place) { p.Free = 10 << 20 }),
			want:  []string{"etcd-2 disk-space refusal: 10 MiB free on /, where /var/lib lies"},
		},
		"no space for WAL": {
			probe: place("wal", func(p *probe.Place) { p.Free, p.Mount = 10<<20, "/wal" }),
			want:  []string{"etcd-2 disk-space refusal: 10 MiB free on /wal, where /var/lib lies"},
		},
		"no space in opt": {
			probe: place("opt", func(p *probe.Place) { p.Free, p.Mount = 10<<20, "/opt" }),
			want:  []string{"etcd-2 disk-space refusal: 10 MiB free on /opt, where /opt/clusterup/etcd lies"},
		},
		"not mounted": {
			probe: func(p *probe.Probe) { p.Unmounted = []string{"/srv"} },
			want:  []string{"etcd-2 file-system refusal: /etc/fstab has a file system for /srv, where the data is to lie, and it is not mounted"},
		},
		"tmpfs": {
			probe: place("data", func(p *probe.Place) { p.Type, p.Mount = "tmpfs", "/data" }),
			want:  []string{"etcd-2 file-system refusal: /data is in memory (tmpfs): a reboot would lose all data"},
		},
		"tmpfs for WAL": {
			probe: place("wal", func(p *probe.Place) { p.Type, p.Mount = "tmpfs", "/wal" }),
			want:  []string{"etcd-2 file-system refusal: /wal is in memory (tmpfs): a reboot would lose all data"},
		},
		"nfs": {
			probe: place("data", func(p *probe.Place) { p.Type, p.Mount = "nfs4", "/net" }),
			want:  []string{"etcd-2 file-system warning: /net is nfs4: etcd is not made for network file systems"},
		},
		"fuse": {
			probe: place("data", func(p *probe.Place) { p.Type, p.Mount = "fuse.sshfs", "/net" }),
			want:  []string{"etcd-2 file-system warning: /net is fuse.sshfs: etcd is not made for network file systems"},
		},
		"overlay": {
			probe: place("data", func(p *probe.Place) { p.Type, p.Mount = "overlay", "/o" }),
			want:  []string{"etcd-2 file-system warning: /o is an overlay, as containers and live systems have"},
		},
		"read-only": {
			probe: place("data", func(p *probe.Place) { p.Options, p.Mount = []string{"ro"}, "/d" }),
			want:  []string{"etcd-2 file-system refusal: /d is mounted read-only"},
		},
		"noexec": {
			probe: place("opt",
				func(p *probe.Place) {
					p.Options, p.Mount = []string{"rw", "noexec"},
						"/opt"
				}),
			want: []string{"etcd-2 file-system refusal: /opt is mounted noexec, so nothing in /opt/clusterup/etcd can run"},
		},
		"no inodes": {
			probe: place("opt", func(p *probe.Place) { p.Inodes, p.Unused, p.Mount = 65536, 3, "/opt" }),
			want:  []string{"etcd-2 disk-space refusal: 3 inodes left on /opt, where /var/lib lies"},
		},
		"inodes that nobody counts": {probe: place("opt", func(p *probe.Place) { p.Inodes, p.Unused = 0, 0 })},
		"sealed": {
			probe: func(p *probe.Probe) { p.Sealed = map[string]string{"/etc/etcd": "Read-only file system"} },
			want:  []string{"etcd-2 file-system refusal: nothing can be made in /etc/etcd: Read-only file system"},
		},
		"shut": {
			host: func(h *facts.Host) {
				h.Ways = map[string]facts.File{"/etc/etcd": {Kind: facts.Dir, Owner: "root", Group: "root", Mode: 0o700}}
			},
			want: []string{"etcd-2 file-system refusal: the user etcd-prod may not enter /etc/etcd (root:root, mode 0700), above /etc/etcd/prod"},
		},
		"another source": {
			probe: func(p *probe.Probe) {
				reachFrom(p, "etcd-1", func(r *probe.Reach) { r.From = "10.0.0.99" })
				reachFrom(p, "etcd-3", func(r *probe.Reach) { r.From = "10.0.0.99" })
			},
			want: []string{"etcd-2 address refusal: etcd-1 and etcd-3 see it come from 10.0.0.99, which is not among the names of its certificate: they would refuse it"},
		},
		"its own source": {probe: func(p *probe.Probe) {
			reachFrom(p, "etcd-1", func(r *probe.Reach) { r.From = "10.0.0.12" })
		}},
		"a source by name": {probe: func(p *probe.Probe) {
			p.Resolved = map[string][]string{"etcd-2.example.com": {"10.0.0.99"}}
			reachFrom(p, "etcd-1", func(r *probe.Reach) { r.From = "10.0.0.99" })
		}},
		"a source as routes have it": {
			host: func(h *facts.Host) {
				h.Sources = map[netip.Addr]netip.Addr{netip.MustParseAddr("10.0.0.11"): netip.MustParseAddr("10.0.0.98")}
			},
			want: []string{"etcd-2 address refusal: it goes to etcd-1 from 10.0.0.98, which is not among the names of its certificate: peers refuse such connections"},
		},
		"long packets lost": {
			probe: func(p *probe.Probe) {
				reachFrom(p, "etcd-3", func(r *probe.Reach) {
					if r.Door.Name == "peer" {
						r.Error, r.Clipped = "long ones do not come through", true
					}
				})
			},
			want: []string{"etcd-2 reach refusal: does not reach etcd-3 at 10.0.0.13:2380 (peer): long ones do not come through"},
		},
		"slow disk": {
			probe: func(p *probe.Probe) { p.Fsync.P99 = 25 * time.Millisecond },
			want:  []string{"etcd-2 disk-latency warning: p50 1.0 ms, p99 25 ms of 200 synchronous writes (measured to ±0.01 ms)"},
		},
		"very slow disk": {
			probe: func(p *probe.Probe) {
				p.Fsync = probe.Latency{Samples: 14, P50: 83e6, P99: 115e6, Max: 115e6, Floor: 3e4}
			},
			want: []string{"etcd-2 disk-latency warning: p50 83 ms, slowest 115 ms of 14 synchronous writes (measured to ±0.03 ms)"},
		},
		"unmeasured": {
			probe: func(p *probe.Probe) { p.Fsync = probe.Latency{Samples: 1, Why: "No space left on device"} },
			want:  []string{"etcd-2 disk-latency warning: not measured: No space left on device"},
		},
		"foreign data": {
			host: func(h *facts.Host) { h.Data = facts.Data{Exists: true, Entries: []string{"db"}} },
			want: []string{"etcd-2 data refusal: /var/lib/etcd-prod is not empty: it holds db"},
		},
		"a probe cut off": {host: func(h *facts.Host) {
			h.Data = facts.Data{Exists: true, Entries: []string{facts.ScratchPrefix + "abcdef"}}
		}},
		"port taken": {
			host: func(h *facts.Host) {
				h.Sockets = []facts.Socket{{Address: "0.0.0.0", Port: 2379, PID: 7, Process: "nginx"}}
			},
			want: []string{"etcd-2 ports refusal: port 2379 is taken by nginx (PID 7)"},
		},
		"port of another address": {host: func(h *facts.Host) {
			h.Sockets = []facts.Socket{{Address: "10.9.9.9", Port: 2379, PID: 7, Process: "nginx"}}
		}},
		"another preflight": {host: func(h *facts.Host) {
			h.Sockets = []facts.Socket{{Address: "10.0.0.12", Port: 2379, PID: 7, Process: facts.ListenerName}}
		}},
		"address elsewhere": {
			probe: func(p *probe.Probe) { p.Addresses = []probe.HostAddress{{IP: "10.1.1.1"}} },
			want:  []string{"etcd-2 address refusal: the host does not have the address 10.0.0.12"},
		},
		"address of another": {
			probe: func(p *probe.Probe) { p.Addresses = append(p.Addresses, probe.HostAddress{IP: "10.0.0.11"}) },
			want:  []string{"etcd-2 address refusal: the host has the address 10.0.0.11 of etcd-1"},
		},
		"duplicate address": {
			probe: func(p *probe.Probe) { p.Addresses = []probe.HostAddress{{IP: "10.0.0.12", Duplicate: true}} },
			want:  []string{"etcd-2 address refusal: another machine on the network uses 10.0.0.12 too"},
		},
		"addresses unknown": {
			probe: func(p *probe.Probe) { p.Addresses = nil },
			want:  []string{"etcd-2 address warning: not checked: the command ip is missing"},
		},
		"no way to etcd-3": {
			probe: func(p *probe.Probe) {
				reachFrom(p, "etcd-3", func(r *probe.Reach) {
					r.Error = "etcd-2: connect to " + r.Door.Address + ": no route to host"
				})
			},
			want: []string{
				"etcd-2 reach refusal: does not reach etcd-3 at 10.0.0.13:2380 (peer): no route to host",
				"etcd-2 reach warning: does not reach etcd-3 at 10.0.0.13:2379 (client): no route to host",
			},
		},
		"no way to itself": {
			probe: func(p *probe.Probe) { reachFrom(p, "etcd-2", func(r *probe.Reach) { r.Error = "connection refused" }) },
			want: []string{
				"etcd-2 reach warning: does not reach etcd-2 at 10.0.0.12:2380 (peer): connection refused",
				"etcd-2 reach refusal: does not reach etcd-2 at 10.0.0.12:2379 (client): connection refused",
			},
		},
		"no forwarding": {
			probe: func(p *probe.Probe) {
				reachFrom(p, "etcd-1", func(r *probe.Reach) { r.Skipped, r.Barred = "prohibited", true })
			},
			want: []string{"etcd-2 reach refusal: its sshd forwards no connections"},
		},
		"no listener": {
			probe: func(p *probe.Probe) {
				reachFrom(p, "etcd-2", func(r *probe.Reach) {
					r.Skipped = "no listener could be set up: systemd-socket-activate is missing"
				})
			},
			want: []string{"etcd-2 reach warning: not checked: no listener could be set up: systemd-socket-activate is missing"},
		},
		"far away": {
			probe: func(p *probe.Probe) { p.Pings = map[string]time.Duration{"10.0.0.13": 210 * time.Millisecond} },
			want:  []string{"round-trip warning: the longest round trip is 210 ms, heartbeat_interval 100ms, election_timeout 1s: too short for that"},
		},
		"too far away": {
			probe: func(p *probe.Probe) { p.Pings = map[string]time.Duration{"10.0.0.13": 1200 * time.Millisecond} },
			want:  []string{"round-trip refusal: the longest round trip is 1200 ms, heartbeat_interval 100ms, election_timeout 1s: no leader would be elected"},
		},
		"far away by connection": {
			probe: func(p *probe.Probe) {
				p.Pings = nil
				reachFrom(p, "etcd-3", func(r *probe.Reach) { r.Took = 151 * time.Millisecond })
			},
			want: []string{"round-trip warning: the longest round trip is 150 ms, heartbeat_interval 100ms, election_timeout 1s: too short for that"},
		},
		"firewall in nobody's way": {probe: func(p *probe.Probe) {
			p.Firewall = []probe.Firewall{{Tool: "nft", Rules: 5, Drop: true}}
		}},
		"SELinux": {
			probe: func(p *probe.Probe) { p.SELinux = "enforcing" },
			want:  []string{"etcd-2 security warning: SELinux is enforcing, and clusterup brings no policy"},
		},
		"SELinux permissive": {probe: func(p *probe.Probe) { p.SELinux = "permissive" }},
		"AppArmor":           {probe: func(p *probe.Probe) { p.AppArmor = "enabled" }},
		"AppArmor profile": {
			probe: func(p *probe.Probe) { p.Confined = []string{"etcd (enforce)"} },
			want:  []string{"etcd-2 security warning: AppArmor has a profile for etcd: etcd (enforce)"},
		},
		"clone": {
			host: func(h *facts.Host) { h.MachineID = "machine-0" },
			want: []string{"machine-id warning: etcd-1 and etcd-2 have the same machine-id: they are clones of one machine"},
		},
		"one machine twice": {
			host: func(h *facts.Host) { h.MachineID, h.BootID = "machine-0", "boot-0" },
			want: []string{"machine-id refusal: etcd-1 and etcd-2 are one machine"},
		},
		"unreachable": {host: func(h *facts.Host) {
			*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "etcd-2: connect: refused"}}
		}, want: []string{"etcd-2 connection refusal: connect: refused"}},
		"not probed": {
			probe: func(p *probe.Probe) { *p = probe.Probe{Failed: "etcd-2: run script: lost"} },
			want:  []string{"etcd-2 connection warning: the host was not probed: run script: lost"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := wanted(t, 3)
			s, probes := fit(t, w, bare(w))
			if test.host != nil {
				s = change(s, "etcd-2", test.host)
			}
			if s.Hosts["etcd-2"].Unreachable != "" {
				delete(probes, "etcd-2")
			}
			if test.probe != nil {
				p := probes["etcd-2"]
				p.Places = maps.Clone(p.Places)
				test.probe(&p)
				probes["etcd-2"] = p
			}
			findings := Findings(w, s, probes)
			if got := findingLines(findings); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			checkFindings(t, findings)
		})
	}
}

// checkFindings says what holds of all findings.
func checkFindings(t *testing.T, findings []Finding) {
	t.Helper()
	refusals := 0
	for _, f := range findings {
		if !slices.Contains(checkOrder, f.Check) || f.Found == "" {
			t.Errorf("finding %+v", f)
		}
		if f.Level != LevelFine && f.Do == "" && f.Check != CheckConnection {
			t.Errorf("%s: nothing to do about %q", f.Check, f.Found)
		}
		if f.Level == LevelRefusal {
			refusals++
		}
	}
	var refused *plan.Refused
	if errors.As(Unfit(findings), &refused) != (refusals > 0) || refused != nil && len(refused.Refusals) != refusals {
		t.Errorf("%d refusals are %v", refusals, refused)
	}
}

func place(what string, do func(*probe.Place)) func(*probe.Probe) {
	return func(p *probe.Probe) {
		at := p.Places[what]
		do(&at)
		p.Places[what] = at
	}
}

// A partition is named in both directions, with the packet filter that may be behind it.
func TestPreflightPartition(t *testing.T) {
	w := wanted(t, 3)
	s, probes := fit(t, w, bare(w))
	for _, pair := range [][2]string{{"etcd-1", "etcd-3"}, {"etcd-3", "etcd-1"}} {
		p := probes[pair[0]]
		reachFrom(&p, pair[1], func(r *probe.Reach) { r.Error = "no answer within 5s" })
		p.Services = append(p.Services, "firewalld")
		probes[pair[0]] = p
	}
	findings := Findings(w, s, probes)
	want := []string{
		"etcd-1 reach refusal: does not reach etcd-3 at 10.0.0.13:2380 (peer): no answer within 5s",
		"etcd-1 reach warning: does not reach etcd-3 at 10.0.0.13:2379 (client): no answer within 5s",
		"etcd-3 reach refusal: does not reach etcd-1 at 10.0.0.11:2380 (peer): no answer within 5s",
		"etcd-3 reach warning: does not reach etcd-1 at 10.0.0.11:2379 (client): no answer within 5s",
		"etcd-1 firewall warning: firewalld; and not every host gets in",
		"etcd-3 firewall warning: firewalld; and not every host gets in",
	}
	if got := findingLines(findings); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, f := range findings {
		if f.Level == LevelRefusal && !strings.Contains(f.Do,
			"firewall-cmd --permanent --add-port=2380/tcp --add-port=2379/tcp") {
			t.Errorf("%s: %s", f.Host, f.Do)
		}
	}
}

// Where nothing but rules is known of a packet filter, the remedy names the command that shows them.
func TestPreflightShowsRules(t *testing.T) {
	for tool, show := range map[string]string{
		"nft": "nft list ruleset", "iptables": "iptables-save",
		"ip6tables": "ip6tables-save",
	} {
		w := wanted(t, 3)
		s, probes := fit(t, w, bare(w))
		shut, from := probes["etcd-3"], probes["etcd-1"]
		shut.Firewall = []probe.Firewall{{Tool: tool, Rules: 4, Named: 1, Drop: true}}
		reachFrom(&from, "etcd-3", func(r *probe.Reach) { r.Error = "no answer within 5s" })
		probes["etcd-3"], probes["etcd-1"] = shut, from
		findings := Findings(w, s, probes)
		if got := findingLines(findings); !slices.Contains(got,
			"etcd-3 firewall warning: "+tool+
				": 4 rules, 1 of them for the member's ports, the rest is dropped; and not every host gets in") {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
		for _, f := range findings {
			if f.Level != LevelFine && !strings.Contains(f.Do, "the packet filter on etcd-3 ("+show+")") {
				t.Errorf("%s: %s", f.Check, f.Do)
			}
		}
	}
}

// In a cluster that runs, its own listeners are used, and its disks are left alone.
func TestPreflightOfSettledCluster(t *testing.T) {
	w := wanted(t, 3)
	s := settled(t, w)
	for _, m := range w.Cluster.Members {
		s = change(s, m.Name, func(h *facts.Host) {
			h.Process.PID = 77
			h.Leaves = map[string]facts.Leaf{"peer": {Role: "peer", SHA256: "aa"}, "server": {Role: "server", SHA256: "bb"}}
			h.Sockets = []facts.Socket{
				{Address: m.Address, Port: 2380, PID: 77, Process: "etcd"},
				{Address: m.Address, Port: 2379, PID: 77, Process: "etcd"},
				{Address: "127.0.0.1", Port: 2379, PID: 77, Process: "etcd"},
			}
		})
	}
	if etcd.Fresh(w, s) || !etcd.Fresh(w, bare(w)) {
		t.Error("a settled cluster is a bootstrap, or bare hosts are none")
	}
	for name, ask := range Asks(w.Cluster, s, false) {
		if ask.Disk {
			t.Errorf("%s: the disk of a running member is measured", name)
		}
		for _, door := range ask.Doors {
			if !door.Running || door.Listen != "" || door.Leaf == "" {
				t.Errorf("%s: door %+v", name, door)
			}
		}
	}
	s, probes := fit(t, w, s)
	if got := findingLines(Findings(w, s, probes)); got != nil {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	unfit := probes["etcd-2"]
	place := unfit.Places["data"]
	place.Free = 1 << 30
	unfit.Places, unfit.Unmounted = map[string]probe.Place{"data": place, "wal": place, "opt": place}, []string{"/srv"}
	probes["etcd-2"] = unfit
	s = change(s, "etcd-1", func(h *facts.Host) { h.Etcd.DBSize = 2 << 30 })
	if got := findingLines(Findings(w, s, probes)); got != nil {
		t.Errorf("the disk of a member that stays where it is: %s", strings.Join(got, "\n"))
	}
	w.Accept = []plan.Risk{plan.Replace("etcd-2")}
	s = change(s, "etcd-2", func(h *facts.Host) { h.Data.Dir, h.Place = "/var/lib/before", &facts.Data{} })
	s.Hosts["etcd-2"].Process.Args = []string{"/etcd", "--name=etcd-2", "--data-dir=/var/lib/before"}
	got := strings.Join(findingLines(Findings(w, s, probes)), "\n")
	if want := "etcd-2 disk-space refusal: 1.0 GiB free on /, and the database that is to come has 2.0 GiB\n" +
		"etcd-2 file-system refusal: /etc/fstab has a file system for /srv, where the data is to lie, and it is not mounted"; got != want {
		t.Errorf("of one whose data is to lie elsewhere: %s", got)
	}
	if writes := Asks(w.Cluster, s, true)["etcd-2"].Writes; !slices.Contains(writes, "/var/lib/etcd-prod") {
		t.Errorf("tries to write in %v", writes)
	}
}

func TestProbeAsks(t *testing.T) {
	w := wanted(t, 3)
	s := change(bare(w), "etcd-2", func(h *facts.Host) {
		h.Sockets = []facts.Socket{{Address: "*", Port: 2380, PID: 7, Process: "nginx"}}
	})
	s = change(s, "etcd-3", func(h *facts.Host) {
		*h = facts.Host{Machine: facts.Machine{Name: h.Name, Unreachable: "refused"}}
	})
	w.Cluster.Members[0].PeerAddress = "etcd-1.example.com"
	asks := Asks(w.Cluster, s, false)
	doors := map[string][]probe.Door{
		"etcd-1": {
			{Name: "peer", Address: "etcd-1.example.com:2380", Listen: "0.0.0.0:2380"},
			{Name: "client", Address: "10.0.0.11:2379", Listen: "10.0.0.11:2379"},
		},
		"etcd-2": {
			{Name: "peer", Address: "10.0.0.12:2380", Shut: "port 2380 is taken"},
			{Name: "client", Address: "10.0.0.12:2379", Listen: "10.0.0.12:2379"},
		},
		"etcd-3": {
			{Name: "peer", Address: "10.0.0.13:2380", Shut: "the host could not be looked at"},
			{Name: "client", Address: "10.0.0.13:2379", Shut: "the host could not be looked at"},
		},
	}
	for name, want := range doors {
		if !slices.Equal(asks[name].Doors, want) {
			t.Errorf("doors of %s are %+v", name, asks[name].Doors)
		}
	}
	if got := asks["etcd-1"]; !got.Disk || !slices.Equal(got.Ping, []string{"10.0.0.12", "10.0.0.13"}) ||
		!slices.Equal(got.Addresses, []string{"10.0.0.11", "etcd-1.example.com"}) {
		t.Errorf("asks of etcd-1 are %+v", got)
	}
	if quick := Asks(w.Cluster, s, true)["etcd-1"]; quick.Disk || quick.Ping != nil || len(quick.Doors) != 2 {
		t.Errorf("quick asks are %+v", quick)
	}
}
