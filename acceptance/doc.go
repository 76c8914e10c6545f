// Package acceptance proves the real binary on real hosts: hosts of package lab, with their own systemd and sshd, on
// this machine.
//
// It owns the scenarios of the issues, the faults and the benchmarks. It drives clusterup as its operators do, as a
// subprocess with arguments, exit codes and output, and looks at the hosts from beside it. It must not reach into the
// packages that make up the binary, but for lab, which makes the hosts, pki, which makes certificates, the words of
// facts, plan and units, and remote in one benchmark. It holds no code that anything else could need.
//
// Without root, or off Linux, what needs hosts is skipped; in CI (CI=true) that is a failure. Every lab is named
// acc-PID-…, and is taken down when its test ends.
package acceptance
