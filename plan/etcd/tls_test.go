package etcd

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusterup/clusterup/plan"
)

// TLS that is switched off, or on in the place of http, is refused for each member, with all that there is to say.
func TestPlainRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		was, is func(*Want)
		accept  plan.Risk
		kind    plan.RefusalKind
		says    []string
	}{
		"both off": {func(*Want) {}, plainly, "", plan.Insecure, []string{
			"etcd-1: its peers reach it over TLS", "etcd-1: its clients reach it over TLS",
			"etcd-2: its peers reach it over TLS", "etcd-2: its clients reach it over TLS",
			"etcd-3: its peers reach it over TLS", "etcd-3: its clients reach it over TLS",
		}},
		"on at once": {plainly, func(w *Want) { securely(w); w.Cluster.TLS.Clients = true }, "", plan.NeedsConsent, []string{
			"etcd-1: its clients speak http on port 2379", "etcd-2: its clients speak http on port 2379",
			"etcd-3: its clients speak http on port 2379",
		}},
		"on at once, by consent": {
			plainly, func(w *Want) { securely(w); w.Cluster.TLS.Clients = true }, plan.Downtime, "",
			nil,
		},
		"on beside http": {plainly, func(w *Want) {
			securely(w)
			w.Cluster.TLS.Clients, w.Cluster.TLS.HTTPClientPort, w.Cluster.ClientPort = true, 2379, 12379
		}, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted(t, 3)
			test.was(&w)
			s := settled(t, w)
			test.is(&w)
			if test.accept != "" {
				w.Accept = []plan.Risk{test.accept}
			}
			_, err := Next(w, s)
			var refused *plan.Refused
			if errors.As(err, &refused) != (test.kind != "") ||
				refused != nil && (!refused.Only(test.kind) || len(refused.Refusals) != len(test.says)) {
				t.Fatal(err)
			}
			for i, says := range test.says {
				if got := refused.Refusals[i].String(); !strings.HasPrefix(got, says) {
					t.Errorf("%q, want %q", got, says)
				}
			}
		})
	}
}

// What a member comes to do is said once, and not flag by flag.
func TestTLSInWords(t *testing.T) {
	w := wanted(t, 3)
	plainly(&w)
	s := settled(t, w)
	securely(&w)
	w.Cluster.TLS.Clients, w.Cluster.TLS.HTTPClientPort, w.Cluster.ClientPort = true, 2379, 12379
	p, err := Build(w, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range p.Stages {
		for _, step := range stage.Steps {
			if step.Kind != plan.RestartMember {
				continue
			}
			const peers, clients = "to have a certificate for its peers, and to ask them for theirs",
				"to have a certificate for its clients, and to ask them for theirs"
			if !strings.Contains(step.Why, peers) || !strings.Contains(step.Why, clients) ||
				strings.Contains(step.Why, "cert-file") || strings.Contains(step.Why, "client-cert-auth") {
				t.Errorf("%s: %s", step.ID(), step.Why)
			}
			return
		}
	}
	t.Error("no member restarts")
}
