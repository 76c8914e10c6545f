package main

import (
	"maps"
	"slices"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/inventory"
)

// newestClients are the client certificates that count: of each name the newest that is neither revoked nor of a CA
// that was dropped, sorted by name.
func newestClients(seen facts.Snapshot) []facts.Client {
	var found []facts.Client
	for _, c := range seen.Operator.Clients { // by name, then age
		if c.Revoked || dropped(seen.Operator.CAs, c.Generation) {
			continue
		}
		if i := slices.IndexFunc(found, func(other facts.Client) bool { return other.Name == c.Name }); i >= 0 {
			found[i] = c
			continue
		}
		found = append(found, c)
	}
	return found
}

// leftBehind are clients whose newest certificate that is not revoked is of a dropped CA, so every member refuses it, as
// after a rotation that was taken back. Clients without a block in the inventory count until that certificate ends.
func leftBehind(c *inventory.Cluster, seen facts.Snapshot) []facts.Client {
	newest := map[string]facts.Client{}
	for _, client := range seen.Operator.Clients { // by name, then age
		if !client.Revoked {
			newest[client.Name] = client
		}
	}
	var found []facts.Client
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		if client := newest[name]; dropped(seen.Operator.CAs, client.Generation) && counts(c, client, seen.Taken) {
			found = append(found, client)
		}
	}
	return found
}
