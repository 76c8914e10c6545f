package main

import (
	"runtime/metrics"
	"syscall"
)

// statsObject is what a host has cost, with --json and --stats.
type statsObject struct {
	Type          string `json:"type"` // "stats"
	Host          string `json:"host"`
	Connections   int64  `json:"connections"`
	Sessions      int64  `json:"sessions"`
	RoundTrips    int64  `json:"round_trips"`
	BytesSent     int64  `json:"bytes_sent"`
	BytesReceived int64  `json:"bytes_received"`
}

// showStats says what a run has cost, host by host, and in memory of this process.
func (s *session) showStats() {
	if !s.flags.stats {
		return
	}
	for _, m := range s.cluster.Members {
		cost := s.hosts[m.Name].Stats()
		if s.console.json {
			s.console.object(statsObject{
				"stats", m.Name, cost.Dials, cost.Sessions, cost.RoundTrips, cost.BytesSent, cost.BytesReceived,
			})
			continue
		}
		s.console.say("%s: %s, %s, %s, %s sent, %s received", m.Name, plural(int(cost.Dials), "connection"), plural(int(cost.Sessions), "session"),
			plural(int(cost.RoundTrips), "round trip"), bytesText(cost.BytesSent), bytesText(cost.BytesReceived))
	}
	if !s.console.json {
		s.console.say("this process: %s at most, %s of it heap now", bytesText(maxResident()), bytesText(heap()))
	}
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
