package facts

import "testing"

func TestHealthy(t *testing.T) {
	good := Host{Member: Member{Process: &Process{}, Etcd: &Status{Leader: 1}, Reads: true}}
	for name, spoil := range map[string]func(*Host){
		"not running": func(h *Host) { h.Process = nil }, "silent": func(h *Host) { h.Etcd = nil },
		"no leader": func(h *Host) { h.Etcd = &Status{} },
		"no reads":  func(h *Host) { h.Reads = false },
		"complains": func(h *Host) { h.Etcd = &Status{Leader: 1, Errors: []string{"NOSPACE"}} },
	} {
		bad := good
		spoil(&bad)
		if !good.Healthy() || bad.Healthy() {
			t.Errorf("%s: healthy %v", name, bad.Healthy())
		}
	}
}
