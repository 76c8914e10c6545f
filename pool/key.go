package pool

import (
	"fmt"
	"regexp"
	"strings"
)

// root is the beginning of all keys of balancers.
const root = "/clusterup/"

// Keys names the keys of one balancer.
type Keys struct {
	Balancer string // as CheckBalancer has it
}

// Servers is the beginning of the keys of all servers.
func (k Keys) Servers() string { return root + k.Balancer + "/server/" }

// Server is the key of one server: JSON, see ParseServer.
func (k Keys) Server(name string) string { return k.Servers() + name }

// Generation is the key that is written with every change: JSON, see ParseGeneration.
func (k Keys) Generation() string { return root + k.Balancer + "/generation" }

// Followers is the beginning of the keys of all followers.
func (k Keys) Followers() string { return root + k.Balancer + "/follower/" }

// Follower is the key under which the follower on one node reports: JSON, see Report. It has a lease.
func (k Keys) Follower(node string) string { return k.Followers() + node }

var (
	balancerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	serverName   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62})$`)
)

// CheckBalancer is an error unless a balancer or a node may have that name.
func CheckBalancer(name string) error {
	if !balancerName.MatchString(name) {
		return fmt.Errorf("%s is no name: want up to 63 of a-z, 0-9, '.' and '-', not '.' or '-' at an end", Quote(name))
	}
	return nil
}

// CheckName is an error unless a server may have that name.
func CheckName(name string) error {
	if !serverName.MatchString(name) {
		return fmt.Errorf("%s is no name of a server: want up to 63 of A-Z, a-z, 0-9, '.', '_' and '-', "+
			"a letter or a digit first", Quote(name))
	}
	return nil
}

// maxQuoted is how many bytes of a stranger's text are shown.
const maxQuoted = 80

// Quote shows text of a stranger: on one line, in quotation marks, without control characters, cut when it is long.
func Quote(text string) string {
	if len(text) > maxQuoted {
		return fmt.Sprintf("%+q…", strings.ToValidUTF8(text[:maxQuoted], "?"))
	}
	return fmt.Sprintf("%+q", text)
}
