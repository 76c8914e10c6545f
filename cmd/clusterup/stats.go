package main

import (
	"runtime/metrics"
	"syscall"

	"github.com/clusterup/clusterup/view"
)

// showStats says what a run has cost, where that was asked for.
func (s *session) showStats() {
	if !s.flags.stats {
		return
	}
	var costs []view.Cost
	all := s.Costs()
	for _, m := range s.Cluster.Members {
		of := all[m.Name]
		costs = append(costs, view.Cost{
			Host: m.Name, Connections: of.Dials, Sessions: of.Sessions, RoundTrips: of.RoundTrips, BytesSent: of.BytesSent,
			BytesReceived: of.BytesReceived,
		})
	}
	s.console.ShowCosts(costs, maxResident(), heap())
}

// maxResident is the most memory that this process has held, in bytes; zero where the system does not say.
func maxResident() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Maxrss * residentUnit
}

func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
