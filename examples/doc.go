// Package examples holds inventories that work, one for each usual need. It
// has no code; its tests load every file, and plan every cluster.
package examples
