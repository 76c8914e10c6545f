package facts

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Auth is what a cluster says of its users, roles and permissions.
type Auth struct {
	AuthState
	// Listed says that Users and Roles are all that there are; else nobody asked, or Error says why they are not known
	Listed  bool   `json:"listed"`
	Users   []User `json:"users,omitempty"` // sorted by name
	Roles   []Role `json:"roles,omitempty"` // sorted by name
	Error   string `json:"error,omitempty"`
	TooMuch bool   `json:"too_much,omitempty"` // Error is that there are more than clusterup takes
	// Logins says of users that are to have a password what became of a login with it; one that is missing is not known
	Logins map[string]Login `json:"logins,omitempty"`
}

// AuthState is what one member says of permissions as a whole.
type AuthState struct {
	Enabled bool `json:"enabled"`
	// they are on, and refuse clusterup: it is not the user root there, or that user has not the role root
	Denied   bool   `json:"denied,omitempty"`
	Revision uint64 `json:"revision,omitempty"` // another one after each change of a user or role; zero: not told
}

// User is a user of etcd. Whether it has a password is not told.
type User struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles,omitempty"` // sorted
}

// Role is a set of permissions.
type Role struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions,omitempty"` // sorted by Key, then End; each range once
}

// Permission allows something with the keys of a range. Its keys are bytes, and need not be text.
type Permission struct {
	Key   string // the first one
	End   string // "": that key alone; OpenEnd: all from it on; else those before it
	Read  bool
	Write bool
}

// OpenEnd is etcd's end of a range that has none. As a first key, it is before all others.
const OpenEnd = "\x00"

// Access is what is allowed, in a word of the inventory; "": nothing.
func (p Permission) Access() string {
	switch {
	case p.Read && p.Write:
		return "readwrite"
	case p.Read:
		return "read"
	case p.Write:
		return "write"
	}
	return ""
}

// SameKeys says that both are about the same range. A role has one permission for it.
func (p Permission) SameKeys(other Permission) bool { return p.Key == other.Key && p.End == other.End }

// Prefix is the prefix that all keys of a permission have, and no others; false: they are not those of a prefix.
func (p Permission) Prefix() (string, bool) {
	if p.Key == OpenEnd && p.End == OpenEnd {
		return "", true
	}
	if p.End == "" || p.End != prefixEnd(p.Key) {
		return "", false
	}
	return p.Key, true
}

// prefixEnd is the first key that is behind all with a prefix.
func prefixEnd(prefix string) string {
	last := []byte(prefix)
	for i := len(last) - 1; i >= 0; i-- {
		if last[i] < 0xff {
			last[i]++
			return string(last[:i+1])
		}
	}
	return OpenEnd
}

// Keys is the range in words, with its keys quoted: `prefix "/app/"`, `key "/lock"`, `all keys`.
func (p Permission) Keys() string {
	prefix, is := p.Prefix()
	switch {
	case is && prefix == "":
		return "all keys"
	case is:
		return "prefix " + Quoted(prefix)
	case p.End == "":
		return "key " + Quoted(p.Key)
	case p.End == OpenEnd:
		return "keys from " + Quoted(p.Key) + " on"
	}
	return "keys from " + Quoted(p.Key) + " to " + Quoted(p.End)
}

// Shown is a name for people, as it is where it is a usual one, else as Quoted has it.
func Shown(name string) string {
	if quoted := Quoted(name); quoted != `"`+name+`"` || name == "" || strings.Contains(name, " ") {
		return quoted
	}
	return name
}

// Quoted is a name or key for people, in quotes, and without the end where it is very long.
func Quoted(name string) string {
	const most = 100 // bytes
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return strconv.Quote(name[:most]) + "…"
}

func (p Permission) String() string { return p.Access() + " on " + p.Keys() }

// MarshalJSON writes a permission as the inventory has it: access, and prefix, key, or from and to. Of bytes that are
// no text it writes the Go spelling, "\xff".
func (p Permission) MarshalJSON() ([]byte, error) {
	all := map[string]string{"access": p.Access()}
	prefix, is := p.Prefix()
	switch {
	case is:
		all["prefix"] = asText(prefix)
	case p.End == "":
		all["key"] = asText(p.Key)
	default:
		all["from"] = asText(p.Key)
		if p.End != OpenEnd {
			all["to"] = asText(p.End)
		}
	}
	return json.Marshal(all)
}

func asText(key string) string {
	if utf8.ValidString(key) {
		return key
	}
	return strings.Trim(strconv.Quote(key), `"`)
}
