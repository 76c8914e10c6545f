package main

import (
	"cmp"
	"slices"
	"time"
)

// issued is a client certificate.
type issued struct {
	Type    string    `json:"type"` // "client"
	Name    string    `json:"name"`
	User    string    `json:"user,omitempty"`
	Serial  string    `json:"serial"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires"`
	Issuer  string    `json:"issuer,omitempty"`
	Revoked time.Time `json:"revoked,omitzero"`
	Retired bool      `json:"retired,omitempty"` // its CA is, so that members refuse it
	Cert    string    `json:"cert,omitempty"`
	Key     string    `json:"key,omitempty"`
	CA      string    `json:"ca,omitempty"`
	PKCS12  string    `json:"pkcs12,omitempty"`
	Refused string    `json:"-"` // why members refuse it, however long it would be good for
}

// showClients lists client certificates; file is the inventory.
func (c *Console) showClients(list []issued, file string, now time.Time) error {
	if c.JSON {
		for _, one := range list {
			one.Type = "client"
			c.object(one)
		}
		return nil
	}
	if len(list) == 0 {
		c.say("No client certificate was issued from this operator directory: clusterup cert issue NAME %s --out DIR", file)
		return nil
	}
	users := slices.ContainsFunc(list, func(one issued) bool { return one.User != one.Name }) // else it is the same column twice
	line := func(name, user string, rest ...string) []string {
		if users {
			return slices.Concat([]string{name, user}, rest)
		}
		return slices.Concat([]string{name}, rest)
	}
	table := c.table(line("NAME", "USER", "SERIAL", "ISSUED", "LEFT", "ISSUER")...)
	for _, one := range list {
		left := cmp.Or(one.Refused, days(one.Expires, now))
		table.row(line(one.Name, one.User, one.Serial, one.Issued.Format(time.DateOnly), left, one.Issuer)...)
	}
	return table.end()
}

// showIssued says where everything is.
func (c *Console) showIssued(done issued) {
	done.Type = "client"
	if c.JSON {
		c.object(done)
		return
	}
	for _, file := range []string{done.Cert, done.Key, done.CA, done.PKCS12} {
		if file != "" {
			c.print("%s\n", file)
		}
	}
	c.say("The certificate is for the user %s, until %s. Its serial number is %s.", done.User,
		done.Expires.Format(time.DateOnly), done.Serial)
}
