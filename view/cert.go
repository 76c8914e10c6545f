package view

import (
	"cmp"
	"slices"
	"time"
)

// Issued is a client certificate.
type Issued struct {
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
	Refused string    `json:"-"` // why members refuse it, even if it has not expired; "": they do not
}

// ShowClients lists client certificates; file is the inventory.
func (c *Console) ShowClients(list []Issued, file string, now time.Time) error {
	if c.JSON {
		for _, one := range list {
			one.Type = "client"
			c.Object(one)
		}
		return nil
	}
	if len(list) == 0 {
		c.Say("No client certificate was issued from this operator directory: clusterup cert issue NAME %s --out DIR", file)
		return nil
	}
	// USER is shown only if some name has another user
	users := slices.ContainsFunc(list, func(one Issued) bool { return one.User != one.Name })
	line := func(name, user string, rest ...string) []string {
		if users {
			return slices.Concat([]string{name, user}, rest)
		}
		return slices.Concat([]string{name}, rest)
	}
	table := c.Table(line("NAME", "USER", "SERIAL", "ISSUED", "LEFT", "ISSUER")...)
	for _, one := range list {
		left := cmp.Or(one.Refused, days(one.Expires, now))
		table.Row(line(one.Name, cmp.Or(one.User, "-"), one.Serial, one.Issued.Format(time.DateOnly), left, one.Issuer)...)
	}
	return table.End()
}

// ShowIssued says where the files of a new client certificate are.
func (c *Console) ShowIssued(done Issued) {
	done.Type = "client"
	if c.JSON {
		c.Object(done)
		return
	}
	for _, file := range []string{done.Cert, done.Key, done.CA, done.PKCS12} {
		if file != "" {
			c.Print("%s\n", file)
		}
	}
	whose := "is for the user " + done.User + ","
	if done.User == "" {
		whose = "has no common name, and is good"
	}
	c.Say("The certificate %s until %s. Its serial number is %s.", whose, done.Expires.Format(time.DateOnly), done.Serial)
}

// Renewed is a client's pair that is kept up to date.
type Renewed struct {
	Issued
	Replaced []string  `json:"replaced,omitempty"` // paths of files, just now
	Why      string    `json:"why,omitempty"`      // they were
	Due      time.Time `json:"due,omitzero"`       // when the certificate is replaced, if nothing else comes before
}

// ShowRenewed says what has become of a client's pair.
func (c *Console) ShowRenewed(done Renewed) {
	done.Type = "client"
	switch {
	case c.JSON:
		c.Object(done)
	case len(done.Replaced) == 0:
		c.Print("%s: nothing to do before %s\n", done.Cert, done.Due.Format(time.DateOnly))
	case slices.Contains(done.Replaced, done.Cert):
		c.ShowIssued(done.Issued)
		c.Say("It was renewed: %s.", done.Why)
	default:
		for _, file := range done.Replaced {
			c.Print("%s\n", file)
		}
		c.Say("The certificate stays: %s.", done.Why)
	}
}
