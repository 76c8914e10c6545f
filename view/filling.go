package view

import (
	"strconv"

	"github.com/clusterup/clusterup/facts"
)

// shownPrefixes is how many prefixes people are shown.
const shownPrefixes = 15

// fillingObject is what fills a database, with --json.
type fillingObject struct {
	Type string `json:"type"` // "filling"
	facts.Filling
	InUse int64 `json:"db_size_in_use"`
}

// ShowFilling says what fills a database of which inUse bytes are in use, the history of keys included.
func (c *Console) ShowFilling(f facts.Filling, inUse int64) {
	if c.JSON {
		f.Prefixes = f.Prefixes[:min(len(f.Prefixes), 100)]
		c.Object(fillingObject{"filling", f, inUse})
		return
	}
	fprintf(c.Out, "What fills the database, as %s has it; %d of %d keys were read:\n", f.Member, f.Read, f.Keys)
	table := c.Table("PREFIX", "KEYS", "SIZE")
	for i, p := range f.Prefixes {
		if i == shownPrefixes {
			break
		}
		name, about := p.Prefix, ""
		if name == "" {
			name = "(other keys)"
		}
		if p.Read < p.Keys {
			about = "about "
		}
		table.Row(name, strconv.FormatInt(p.Keys, 10), about+Size(p.Bytes))
	}
	_ = table.End()
	if more := len(f.Prefixes) - shownPrefixes; more > 0 {
		fprintf(c.Out, "(and %d more)\n", more)
	}
	if !f.All {
		fprintf(c.Out, "That is not all: the time for it was over.\n")
	}
	fprintf(c.Out, "Keys and values make %s of the %s in use; the rest is their history, and etcd's own.\n\n",
		Size(f.Bytes), Size(inUse))
}
