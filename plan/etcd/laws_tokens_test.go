package etcd

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
	"github.com/clusterup/clusterup/plan"
	"github.com/clusterup/clusterup/units"
)

// keyNamed is the key for tokens that a command line names; "": it names none.
func keyNamed(args []string) string {
	for _, arg := range args {
		if rest, ok := strings.CutPrefix(arg, "--auth-token=jwt,sign-method=ES256,ttl=87600h,priv-key="); ok {
			return rest
		}
	}
	return ""
}

// lawTokens: a member is told of a key for tokens, and started with it, only where the key lies; nobody takes one away
// that a member runs with. A user gets a password only when every voter runs with the newest key, so that no token is
// lost with a member. Keys and passwords come only where the inventory has a user with one.
func lawTokens(w Want, s facts.Snapshot, stage plan.Stage) error {
	wants := w.Cluster.Auth != nil && slices.ContainsFunc(w.Cluster.Auth.Users,
		func(u inventory.AuthUser) bool { return u.Password != nil })
	keys := s.Operator.TokenKeys
	here := map[string]bool{} // host and path: written in this stage
	for _, step := range stage.Steps {
		host := s.Hosts[step.Host]
		lies := func(file string) bool {
			return file == "" || here[step.Host+file] || host.Process != nil && file == keyNamed(host.Process.Args) ||
				slices.ContainsFunc(keys, func(k facts.TokenKey) bool { return k.SHA256 == host.TokenKeys[file] })
		}
		switch step.Kind {
		case plan.CreateTokenKey, plan.WriteTokenKey:
			if !wants {
				return fmt.Errorf("tokens: %s, and no user has a password", step.ID())
			}
			for _, p := range step.Paths {
				if p.Owner != "root" || p.Mode != 0o640 || p.Group != w.Cluster.User {
					return fmt.Errorf("tokens: %s lets others read it: %+v", step.ID(), p)
				}
				here[step.Host+p.Path] = true
			}
		case plan.WriteUnit:
			file := keyNamed(units.Command(step.Changes[0].Data))
			if (file != "" && !wants) || !lies(file) {
				return fmt.Errorf("tokens: %s names %s, which is not there", step.ID(), file)
			}
		case plan.StartMember, plan.RestartMember:
			file := keyNamed(units.Command(host.Files[UnitPath(w.Cluster)].Content))
			if !lies(file) {
				return fmt.Errorf("tokens: %s with %s, which is not there", step.ID(), file)
			}
		case plan.PruneTrust:
			for _, p := range step.Paths {
				if host.Process != nil && p.Path == keyNamed(host.Process.Args) {
					return fmt.Errorf("tokens: %s takes %s away, with which the member runs", step.ID(), p.Path)
				}
			}
		case plan.PutUser, plan.SetPassword:
			if err := lawPassword(w, s, step); err != nil {
				return err
			}
		}
	}
	return nil
}

func lawPassword(w Want, s facts.Snapshot, step plan.Step) error {
	at := slices.IndexFunc(w.Cluster.Auth.Users, func(u inventory.AuthUser) bool { return u.Name == step.User.Name })
	has := at >= 0 && w.Cluster.Auth.Users[at].Password != nil
	switch {
	case step.User.Password != (has && (step.User.New || step.Kind == plan.SetPassword)):
		return fmt.Errorf("tokens: %s gives a password %v, and the inventory has one %v", step.ID(), step.User.Password, has)
	case !step.User.Password:
		return nil
	}
	keys := s.Operator.TokenKeys
	for name := range electorate(w, s) {
		host := s.Hosts[name]
		if len(keys) == 0 || host.Process == nil || keyNamed(host.Process.Args) != path.Join("/etc/etcd", w.Cluster.Name,
			fmt.Sprintf("token-%.16s.pem", keys[len(keys)-1].SHA256)) {
			return fmt.Errorf("tokens: %s while %s runs without the key", step.ID(), name)
		}
	}
	return nil
}

// lawSettledTokens: where there is nothing left to do, every member runs with the newest key, and nothing else lies
// there; and who logs in can. Without a user that does, there is none.
func lawSettledTokens(w Want, s facts.Snapshot) error {
	wanted := ""
	keys := s.Operator.TokenKeys
	if a := w.Cluster.Auth; a != nil && len(a.Passwords()) > 0 {
		if len(keys) == 0 {
			return fmt.Errorf("settled: there is no key for tokens")
		}
		wanted = fmt.Sprintf("/etc/etcd/%s/token-%.16s.pem", w.Cluster.Name, keys[len(keys)-1].SHA256)
		for _, user := range a.Passwords() {
			if a.Enabled && s.Auth.Logins[user.Name] == facts.LoginRefused {
				return fmt.Errorf("settled: %s cannot log in", user.Name)
			}
		}
	}
	for name, host := range s.Hosts {
		if host.Process == nil {
			continue
		}
		if is := keyNamed(host.Process.Args); is != wanted {
			return fmt.Errorf("settled: %s runs with the key %q, and %q is wanted", name, is, wanted)
		}
		for file := range host.TokenKeys {
			if file != wanted {
				return fmt.Errorf("settled: %s has the key %s", name, file)
			}
		}
	}
	return nil
}
