// Package lab makes throwaway hosts on one Linux machine: containers with a real systemd as PID 1, a real sshd, their
// own address, and a root file system that is Debian's. It is for trying clusterup and for its acceptance tests, so
// only these and the command lab may need it. Of our packages it imports durable alone.
//
// A lab owns, and takes away again: the network namespace cu-NAME with one bridge and no uplink; the cgroups
// clusterup-lab/NAME; the processes in them; the mounts and directories of its hosts; one state file. It kills no
// process that is not in its own cgroups and removes no directory that it did not make. Base images and packages under
// /var/cache/clusterup stay: all labs share them, and nothing renews them.
//
// # What such hosts cannot show
//
// They share one kernel. So there is one clock; a power cut kills every process of the host at once, but loses no
// unsynced write, because the page cache survives; memory and CPU limits of units are accepted but, on a machine with
// version 1 cgroups, not enforced; the hard limit of open files is the machine's, and a higher LimitNOFILE is clipped.
// Latency cannot be added where the kernel has no netem.
package lab
