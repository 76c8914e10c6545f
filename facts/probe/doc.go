// Package probe finds out what preflight wants to know of hosts beyond their facts: how fast their disks are, what
// their packet filters hold, and whether they reach each other at the addresses that members will have. It owns the
// words for that, the script, and the listeners that stand in for members meanwhile.
//
// Nothing of it is left on a host when it ends. It decides nothing, and reaches hosts through the interface Host.
package probe
