package etcd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// A user that logs in with a password gets a token, and shows it with each request. By default etcd keeps tokens in the
// memory of the member that gave them, so that its restart logs everybody out. So where the inventory has a user with a
// password, members sign tokens with one key, which is good at all of them and over restarts. The key is made on the
// control machine and lies on every host before a member is told of it; its file is named by its digest, so another key
// is another command line, and a restart. No user gets a password before every voter was seen to run with the key.

// RotateTokens is w with the wish that members sign tokens with another key: that of a rotation under way, else the
// next one.
func RotateTokens(w Want, s facts.Snapshot) Want {
	v := newView(w, s)
	w.Existing = true
	newest, _ := v.tokenKey()
	w.TokenKeys = newest.Generation
	behind := v.Known(func(_ inventory.Member, host facts.Host) bool { return host.Process != nil && !v.signs(host) })
	if !behind || !newest.Here || len(v.foreignTokenKeys()) > 0 {
		w.TokenKeys++
	}
	return w
}

// wantsTokens says that users log in with passwords.
func (v view) wantsTokens() bool { return len(v.want.Cluster.Auth.Passwords()) > 0 }

// tokenKey is the newest key for tokens; false: there is none yet.
func (v view) tokenKey() (facts.TokenKey, bool) {
	keys := v.seen.Operator.TokenKeys
	if len(keys) == 0 {
		return facts.TokenKey{}, false
	}
	return keys[len(keys)-1], true
}

// signs says that a member runs with the newest key.
func (v view) signs(host facts.Host) bool {
	key, ok := v.tokenKey()
	return ok && host.Process != nil && units.TokenKeyOf(host.Process.Args) == v.tokenKeyPath(key)
}

func (v view) tokenKeyPath(key facts.TokenKey) string {
	return units.TokenKeyPath(ConfigDir(v.want.Cluster), key.SHA256)
}

// allSign says that every voter was seen to run with the newest key.
func (v view) allSign() bool {
	ready := v.Which(func(m inventory.Member, host facts.Host) bool { return v.votes(m) && v.signs(host) })
	return len(ready) == len(v.voters())
}

// newTokenKey makes the key for tokens where there is none, or another one is wanted.
func (v view) newTokenKey() []plan.Step {
	newest, _ := v.tokenKey()
	if !v.wantsTokens() || newest.Generation >= max(1, v.want.TokenKeys) {
		return nil
	}
	why := "a user has a password, and members need a key for tokens"
	if newest.Generation > 0 {
		why = "no token of the key before is good then: " + v.logsIn()
	}
	return []plan.Step{{Kind: plan.CreateTokenKey, Generation: newest.Generation + 1, Why: why}}
}

// logsIn says whom another key concerns.
func (v view) logsIn() string {
	var names []string
	for _, user := range v.want.Cluster.Auth.Passwords() {
		names = append(names, user.Name)
	}
	if len(names) == 1 {
		return enumerated("user", names) + " logs in again"
	}
	return enumerated("user", names) + " log in again"
}

// tokenFiles writes the key where it is missing or is not what its name says. Older ones stay until no member runs with
// them.
func (v view) tokenFiles(host facts.Host) []plan.Step {
	key, ok := v.tokenKey()
	if !ok || !v.wantsTokens() {
		return nil
	}
	want := plan.Path{Path: v.tokenKeyPath(key), Owner: "root", Group: v.want.Cluster.User, Mode: 0o640}
	have, there := host.Files[want.Path]
	why := differs(want, have)
	switch {
	case !there:
		why = "it is missing"
	case have.Kind != facts.Regular:
		why = "it is not a regular file"
	case host.TokenKeys[want.Path] != key.SHA256:
		why = "it is not the key that its name says"
	case why == "":
		return nil
	}
	return []plan.Step{{
		Kind: plan.WriteTokenKey, Generation: key.Generation, Why: why, Paths: []plan.Path{want},
	}}
}

// staleTokenKeys are keys on a host that neither its running member nor its unit names, and that are not wanted.
func (v view) staleTokenKeys(host facts.Host) []string {
	used := []string{units.TokenKeyOf(v.starts(host)), units.TokenKeyOf(v.command(host))}
	if key, ok := v.tokenKey(); ok && v.wantsTokens() {
		used = append(used, v.tokenKeyPath(key))
	}
	var found []string
	for file := range host.TokenKeys {
		if !slices.Contains(used, file) {
			found = append(found, file)
		}
	}
	slices.Sort(found)
	return found
}

// inWordsOfTokens says what another key for tokens means.
func (v view) inWordsOfTokens(host facts.Host, wanted, why []string) []string {
	was, is := units.TokenKeyOf(host.Process.Args), units.TokenKeyOf(wanted)
	for i, line := range why {
		if !strings.HasPrefix(line, "--"+units.TokenFlag+": ") {
			continue
		}
		switch key, _ := v.tokenKey(); {
		case is == "":
			why[i] = "to give tokens as etcd does by itself: no user of the inventory has a password"
		case was == "":
			why[i] = fmt.Sprintf("to sign tokens with key %d", key.Generation)
		default:
			why[i] = fmt.Sprintf("to sign tokens with key %d: %s", key.Generation, v.logsIn())
		}
	}
	return why
}

// foreignTokenKeys are members that have a key for tokens which this operator directory has never had.
func (v view) foreignTokenKeys() []string {
	known := map[string]bool{}
	for _, key := range v.seen.Operator.TokenKeys {
		known[v.tokenKeyPath(key)] = true
	}
	return v.Which(func(_ inventory.Member, host facts.Host) bool {
		for file := range host.TokenKeys {
			if !known[file] {
				return true
			}
		}
		return false
	})
}

// tokenRefusals are why keys for tokens cannot be as wanted.
func (v view) tokenRefusals() []plan.Refusal {
	newest, made := v.tokenKey()
	needed := v.Known(func(_ inventory.Member, host facts.Host) bool { return len(v.tokenFiles(host)) > 0 })
	switch foreign := v.foreignTokenKeys(); {
	case !v.wantsTokens() && v.want.TokenKeys > 0:
		return plan.OneRefusal(plan.Permissions, "", "there is nothing to rotate; a user of the block auth gets a password with "+
			"password_file, password_env or password_command", "no user of the inventory has a password, so there are no tokens and no key")
	case !v.wantsTokens() || v.want.TokenKeys > 0: // another key is wanted, whatever there was
		return nil
	case len(foreign) > 0:
		return plan.OneRefusal(plan.ForeignCA, foreign[0],
			"run it where the key was made, or bring the ca directory from there; if it is lost, clusterup rotate tokens INVENTORY "+
				"makes another one, and users with a password log in again",
			"it has a key for tokens that is not in this operator directory, which may be an old copy")
	case made && !newest.Here && needed:
		return plan.OneRefusal(plan.CAKeyMissing, "",
			fmt.Sprintf("put token-%d.key or token-%[1]d.key.age back into the ca directory; if it is lost, clusterup rotate tokens "+
				"INVENTORY makes another one, and users with a password log in again", newest.Generation),
			"the operator directory has the digest of key %d for tokens, but not the key, and a host needs it", newest.Generation)
	}
	return nil
}

// gatewayNotes are about clients of the JSON gateway, which has no common names: what they may do takes a password, and
// ends with each change of a user or role.
func (v view) gatewayNotes() []string {
	var names []string
	for _, client := range v.want.Cluster.Clients {
		if client.User == "" {
			names = append(names, client.Name)
		}
	}
	it, has := "it", "has"
	if len(names) > 1 {
		it, has = "they", "have"
	}
	switch seen := v.seen.Auth; {
	case len(names) == 0:
		return nil
	case !v.wantsTokens():
		return []string{fmt.Sprintf("%s can do nothing while permissions are on: without a common name %s %s to log in, and no "+
			"user of the block auth has a password", enumerated("the client", names), it, has)}
	case seen != nil && seen.Enabled && seen.Listed && len(v.grants("")) > 0:
		return []string{fmt.Sprintf("users and roles change, and with that all tokens end: %s of the JSON gateway %s to log in again",
			enumerated("the client", names), has)}
	}
	return nil
}

// lostTokenKeys name members that are given up with their hosts, whose disks have the key for tokens.
func (v view) lostTokenKeys() []string {
	if _, made := v.tokenKey(); !made || !v.wantsTokens() {
		return nil
	}
	var names []string
	v.Everyone(func(m inventory.Member, host facts.Host) {
		entry, listed := v.entry(m)
		if listed && v.replaced(m) && host.Data.MemberID != entry.ID && len(host.TokenKeys) == 0 {
			names = append(names, m.Name)
		}
	})
	for _, entry := range v.seen.Members {
		if _, ours := v.ofEntry(entry); !ours && v.given(entry) {
			names = append(names, cmp.Or(entry.Name, entry.ID.String()))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the key for tokens, by which one can be any user, lies on what is given up as the disk of %s, too: once "+
		"that is done, clusterup rotate tokens INVENTORY makes another one", plan.Enumerate(names))}
}
