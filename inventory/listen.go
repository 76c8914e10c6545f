package inventory

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// maxListens is how many ports a balancer may take, and maxListenName how long the name of one may be.
const (
	maxListens    = 40
	maxListenName = 40
)

// usualCheckUser is whom checks log in as where nobody says more.
const usualCheckUser = "clusterup-check"

// metricsPort is that of HAProxy's metrics, on loopback of a node: units/balancer.MetricsPort.
const metricsPort = 8404

var (
	listenSchema = &hcl.BodySchema{Attributes: attributes("port", "check", "user")}

	checkUser = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)
)

// listenRead is a listen with the place that checks across blocks point at.
type listenRead struct {
	Listen
	port hcl.Range
}

func (s scope) readListens(blocks hcl.Blocks) []listenRead {
	p := s.problems
	var out []listenRead
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		name := b.Labels[0]
		if !serverName.MatchString(name) || len(name) > maxListenName {
			p.errorAt(b.LabelRanges[0], "bad listen name",
				"%q: use up to %d letters, digits, \".\", \"_\" and \"-\", starting with a letter or digit.", clip(name), maxListenName)
		} else if old, twice := first[name]; twice {
			p.errorAt(b.LabelRanges[0], "listen given twice", "The listen %q is already at %s.", name, at(old))
		}
		first[name] = b.LabelRanges[0]
		l := s.readListen(b)
		same := func(other listenRead) bool { return l.Port != 0 && other.Port == l.Port }
		if i := slices.IndexFunc(out, same); i >= 0 {
			p.errorAt(l.port, "port used twice", "The listen %q at %s already takes port %d; give one of them another.",
				clip(out[i].Name), at(out[i].port), l.Port)
		}
		out = append(out, l)
	}
	if len(blocks) > maxListens {
		p.errorAt(blocks[maxListens].DefRange, "too many listens", "A balancer has at most %d listen blocks.", maxListens)
	}
	return out
}

func (s scope) readListen(b *hcl.Block) listenRead {
	v, _ := s.newValues(b, listenSchema)
	l := listenRead{Listen{Name: b.Labels[0], Check: CheckTCP}, v.placeOf(b.DefRange, "port")}
	v.require("port", b.DefRange, "A listen needs the port on which nodes take clients, such as port = 5000.")
	if v.port("port", &l.Port); l.Port == metricsPort {
		v.bad("port", "port taken", "%d is the port of HAProxy's metrics on each node; take another one.", metricsPort)
	}
	v.checked("check", &l.Check, checkCheck)
	if l.Check == CheckPostgres {
		l.User = usualCheckUser
	}
	written, user := CheckTCP, ""
	v.text("check", &written)
	switch {
	case !v.text("user", &user):
	case !checkUser.MatchString(user):
		v.bad("user", "bad user", "%q: use up to 63 letters, digits, \"_\" and \"-\", starting with a letter or \"_\".", clip(user))
	case l.Check == CheckPostgres:
		l.User = user
	case written == CheckTCP: // else that mistake has been reported
		v.bad("user", "user without a check that logs in",
			"Only the check %q says who it is: write check = %q, or take the user away.", CheckPostgres, CheckPostgres)
	}
	return l
}

func checkCheck(s string) error {
	if s == CheckTCP || s == CheckPostgres {
		return nil
	}
	return fmt.Errorf("write %q to try whether the port can be connected to, which is the default, or %q to try whether "+
		"PostgreSQL answers there; there is no %q yet", CheckTCP, CheckPostgres, "patroni")
}
