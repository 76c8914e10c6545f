package view

import (
	"fmt"

	"github.com/clusterup/clusterup/facts"
)

// hearsayText is what the cluster says of a member whose host is dark.
func hearsayText(h facts.Hearsay) string {
	switch {
	case !h.Listed:
		return "the cluster lists no such member"
	case h.Serves:
		return fmt.Sprintf("the cluster lists it, and it serves reads to %s's host", h.From)
	}
	return fmt.Sprintf("the cluster lists it, and it serves no read to %s's host: %s", h.From, h.Error)
}
