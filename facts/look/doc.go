// Package look gathers the facts: one shell script per host in one session, and the etcd API of every member that runs.
// It owns that script, the reading of its answer, and what is asked of members and of their ports.
//
// It changes nothing anywhere and decides nothing. It knows neither SSH nor the etcd client: both are reached through
// the small interfaces Shell and Etcd, which speak the standard library's types.
package look
