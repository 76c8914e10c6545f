// Package remote is how clusterup reaches a host: SSH connections that are made once and held, host keys that are
// always checked, jump hosts, sudo, one root shell on each host that is held and runs one POSIX script after the other,
// files that appear whole or not at all, and tunnels.
//
// A [Dialer] belongs to one run and makes a [Host] for each machine. All methods of both may be called at the same
// time.
//
// It owns everything that is said on an SSH connection and the words of its errors: the host is named here, once, by
// [Error]. It must not know etcd, clusterup's inventory or its plan, and it must not print: questions go through the
// functions of the Dialer. Nothing secret may reach an argument list, an error or a log; scripts and their input travel
// over the standard input of a fixed command.
package remote
