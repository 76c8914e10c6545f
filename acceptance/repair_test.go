package acceptance

import (
	"maps"
	"regexp"
	"slices"
	"testing"
)

// fault is what somebody or something does to a host behind clusterup's back.
type fault struct {
	harm    string   // a script on etcd-2
	plan    []string // what the plan must name
	restart bool     // whether the member has to be started or restarted to mend it
	slow    bool     // FAULTS=full tries it too: others are mended alike
}

const binDir = "/opt/clusterup/etcd/" + release + "-*/"

var faults = map[string]fault{
	"unit edited by hand": {
		harm: `sed -i 's/^Restart=.*/Restart=always/' /etc/systemd/system/etcd-prod.service`,
		plan: []string{"write-unit", "-Restart=always", "+Restart=on-failure"},
	},
	"unit edited, and the member runs with it": {
		harm: `sed -i 's/heartbeat-interval=100/heartbeat-interval=111/' /etc/systemd/system/etcd-prod.service
systemctl daemon-reload; systemctl restart etcd-prod; tr '\0' ' ' </proc/$(systemctl show -p MainPID --value etcd-prod)/cmdline | grep -q interval=111`,
		plan:    []string{"write-unit", "restart-member", "heartbeat-interval"},
		restart: true,
	},
	"unit written again as it was": {
		harm: "touch /etc/systemd/system/etcd-prod.service",
		plan: []string{"reload-units"},
	},
	"unit deleted": {
		harm: `rm /etc/systemd/system/etcd-prod.service`,
		plan: []string{"write-unit", "missing"},
		slow: true,
	},
	"binary deleted": {harm: "rm " + binDir + "etcd", plan: []string{"install-release", "etcd missing"}},
	"etcdctl altered": {
		harm: "echo >>$(echo " + binDir + "etcdctl)",
		plan: []string{"install-release", "etcdctl altered"},
		slow: true,
	},
	"etcdutl not executable": {
		harm: "chmod 0644 " + binDir + "etcdutl",
		plan: []string{"fix-modes", "etcdutl: mode 0644, want 0755"},
		slow: true,
	},
	"member stopped": {harm: "systemctl stop etcd-prod", plan: []string{"start-member"}, restart: true},
	"unit disabled":  {harm: "systemctl disable -q etcd-prod", plan: []string{"enable-unit"}},
	"stopped and disabled": {
		harm: "systemctl disable -q --now etcd-prod", plan: []string{"start-member"}, restart: true,
		slow: true,
	},
	"key readable by all": {
		harm: "chmod 0644 /etc/etcd/prod/tls/peer/key.pem",
		plan: []string{"fix-modes", "key.pem: mode 0644, want 0600"},
	},
	"key of another owner": {
		harm: "chown root:root /etc/etcd/prod/tls/server/key.pem",
		plan: []string{"fix-modes", "key.pem: owner root:root, want etcd-prod:etcd-prod"},
		slow: true,
	},
	"key deleted": {
		harm: "rm /etc/etcd/prod/tls/server/key.pem",
		plan: []string{"issue-leaf server"},
	},
	"pair that a killed run has left": {
		harm: "cp -a /etc/etcd/prod/tls/server/. /etc/etcd/prod/tls/server-00112233445566778899",
		plan: []string{"prune-trust", "/etc/etcd/prod/tls/server-00112233445566778899"},
	},
	"data directory readable by all": {
		harm: "chmod 0755 /var/lib/etcd-prod",
		plan: []string{"fix-modes", "/var/lib/etcd-prod: mode 0755, want 0700"},
		slow: true,
	},
	"trust bundle deleted": {
		harm: "rm /etc/etcd/prod/trust-client-*.pem",
		plan: []string{"write-trust", "client CA 1"},
	},
}

// hostLines are the lines of a plan that name the hosts of the steps below them.
var hostLines = regexp.MustCompile(`(?m)^   (etcd-\d(, )?)+$`)

// repair proves that the plan names each fault and its host, that apply mends it, and that only the member that needs
// it restarts.
func repair(t *testing.T, s *site, file string, inv inventory) {
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		if faults[name].slow && !whole() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := faults[name]
			s.on(t, "etcd-2", "set -e\n"+f.harm)
			before := s.pids(t, inv.Cluster)
			plan := s.run(t, "plan", "--exit-code", file).exits(t, 3).says(t, f.plan...)
			if named := hostLines.FindAllString(plan.stdout, -1); !slices.Contains(named, "   etcd-2") ||
				len(slices.Compact(named)) != 1 {
				t.Errorf("the plan works on %q", named)
			}
			s.ok(t, "apply", "--yes", file)
			after := s.pids(t, inv.Cluster)
			for host := range before {
				if restarted := before[host] != after[host]; restarted != (f.restart && host == "etcd-2") {
					t.Errorf("%s: its member was PID %s and is %s", host, before[host], after[host])
				}
			}
			s.ok(t, "plan", "--exit-code", file)
		})
	}
	t.Run("on every host at once", func(t *testing.T) {
		for i, name := range []string{"unit edited by hand", "member stopped", "key readable by all"} {
			s.on(t, s.names()[i], faults[name].harm)
		}
		s.run(t, "plan", "--exit-code", file).exits(t, 3).says(t, "etcd-1", "etcd-2", "etcd-3", "write-unit", "start-member",
			"fix-modes")
		s.ok(t, "apply", "--yes", file)
		s.inSync(t, file, inv)
	})
}
