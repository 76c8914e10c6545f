package etcd

import (
	"errors"
	"slices"
	"testing"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/plan/trust"
)

// Requests about CAs and TLS that are refused; lawRemedy checks the reasons and remedies.
func TestRotationRefusals(t *testing.T) {
	w := wanted(t, 3)
	whole := settled(t, w)
	given := func(s facts.Snapshot) facts.Snapshot {
		s.Operator.CAs = slices.Clone(s.Operator.CAs)
		for i := range s.Operator.CAs {
			s.Operator.CAs[i].Given = true
		}
		return s
	}
	plain := w
	plainly(&plain)
	rotated := RotateCA(w, whole, []string{"peer"}, "")
	dropping := whole
	for range 40 {
		stage, err := Next(rotated, dropping)
		if err != nil || stage == nil {
			t.Fatal(stage, err)
		}
		dropping = Simulate(rotated, dropping, *stage)
		if stage.Steps[0].Kind == plan.RetireCA {
			break
		}
	}
	stranger := with(whole, facts.CA{
		Role: "client", Generation: 2, SHA256: "second", PEM: []byte("second\n"),
		Signing: true, NotAfter: noon.AddDate(20, 0, 0),
	})
	for i := range stranger.Operator.CAs {
		ca := &stranger.Operator.CAs[i]
		ca.Signing = ca.Signing && (ca.Role == "peer" || ca.Generation == 2)
	}
	directly := plain
	secured := *plain.Cluster
	secured.TLS.Clients = true
	directly.Cluster = &secured
	http := settled(t, plain)
	unfit := whole
	unfit.Operator.Unfit = map[string]string{"client": "the key is not there"}
	unfit.Operator.Replaced = map[string]string{"client": "another one is given"}
	alone := given(whole) // there is no way back from it
	alone.Operator.Unfit = unfit.Operator.Unfit
	for name, test := range map[string]struct {
		want Want
		seen facts.Snapshot
		kind plan.RefusalKind // "": not refused
	}{
		"no cluster to rotate":                  {RotateCA(w, bare(w), trust.Roles, ""), bare(w), plan.NoCluster},
		"no cluster to give certificates":       {RotateCerts(w, bare(w)), bare(w), plan.NoCluster},
		"another's CA rotates":                  {RotateCA(w, given(whole), trust.Roles, ""), given(whole), plan.GivenCA},
		"another's CA has ended":                {w, ending(given(whole), "peer", 1, -1), plan.GivenCA},
		"another's CA that cannot be used":      {w, unfit, plan.GivenCA},
		"the only one that all trust, such":     {w, alone, ""},
		"the same, and back":                    {AbortRotation(w, []string{"client"}), unfit, ""},
		"the CA has ended":                      {w, ending(whole, "peer", 1, -1), plan.NeedsConsent},
		"the client CA has ended":               {w, ending(whole, "client", 1, -1), plan.NeedsConsent},
		"the CA has ended, and no cluster":      {w, ending(after(t, w, "operator directory"), "peer", 1, -1), ""},
		"back after the old CA is retired":      {AbortRotation(w, []string{"peer"}), dropping, plan.TooLate},
		"back with nothing under way":           {AbortRotation(w, []string{"peer"}), whole, ""},
		"back of the other role":                {AbortRotation(w, []string{"client"}), dropping, ""},
		"nobody trusts the CA that can sign":    {w, stranger, plan.CAKeyMissing},
		"TLS switched off":                      {plain, whole, plan.Insecure},
		"clients that speak http lose the port": {directly, http, plan.NeedsConsent},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Next(test.want, test.seen)
			var refused *plan.Refused
			switch {
			case test.kind == "" && err == nil:
			case test.kind == "":
				t.Errorf("refused: %v", err)
			case !errors.As(err, &refused) || !refused.Only(test.kind):
				t.Errorf("%v, want %s", err, test.kind)
			default:
				if err := lawRemedy(refused); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
