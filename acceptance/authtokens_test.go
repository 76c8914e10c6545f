package acceptance

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const tokenFaults = "the key for tokens is replaced"

// TestAuthTokens disturbs the rotation of the key by which members sign tokens.
func TestAuthTokens(t *testing.T) {
	ofMatrix(t)
	t.Parallel()
	disturb(t, rotatingTokens(), standsOf(t, "tokens", 3, 1)...)
}

// rotatingTokens replaces the key of a cluster in which a user logs in.
func rotatingTokens() operation {
	first := map[*stand]int{} // how many keys there had been
	return operation{
		name: tokenFaults, args: []string{"rotate", "tokens", "--yes"},
		telling: only("after create-token-key", "after restart-member/etcd-2"),
		whole:   tokenSteps, part: partOfTokens,
		means: "apply, or where no key was made yet the same command,",
		goesOn: func(t *testing.T, s *stand) []string {
			if s.tokenKeys(t) == first[s] {
				return []string{"rotate", "tokens", "--yes"}
			}
			return []string{"apply", "--yes"}
		},
		prepare: func(t *testing.T, s *stand) {
			s.password(t, firstPassword)
			s.inv.Settings = passwordBlock()
			s.ok(t, "apply", "--yes", s.write(t, "prod.hcl", s.inv))
			first[s] = s.tokenKeys(t)
			s.lead(t, s.inv.Members[0])
		},
		ends: func(t *testing.T, s *stand, end []picture) {
			s.served(t, end)
			if now := s.tokenKeys(t); now != first[s]+1 {
				t.Errorf("there were %d keys, and there are %d", first[s], now)
			}
			tokenKeysLie(t, s.site, s.inv, s.tokenKeys(t))
			s.writesAs(t, s.inv, firstPassword)
		},
	}
}

// tokenSteps leaves the steps on the control machine, those on one host, and the change of the leader.
func tokenSteps(verb string, points []string) []string {
	return slices.DeleteFunc(wholeSteps("kill", points), func(p string) bool {
		elsewhere := hostOf(p) != "" && hostOf(p) != "etcd-2" && !strings.Contains(p, " move-leader/")
		return elsewhere || verb == "fail" && strings.HasPrefix(p, "before ")
	})
}

var partOfTokens = map[string]string{
	"kill": "around every step on the control machine and on one host, and around the change of the leader",
	"fail": "after each of them",
}

// tokenKeys are how many keys for tokens there have been.
func (s *stand) tokenKeys(t *testing.T) int {
	t.Helper()
	keys, err := filepath.Glob(filepath.Join(s.dir, ".clusterup", "prod", "ca", "token-*.sha256"))
	must(t, err)
	return len(keys)
}
