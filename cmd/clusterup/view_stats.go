package main

// cost is what a host has cost, with --json and --stats.
type cost struct {
	Type          string `json:"type"` // "stats"
	Host          string `json:"host"`
	Connections   int64  `json:"connections"`
	Sessions      int64  `json:"sessions"`
	RoundTrips    int64  `json:"round_trips"`
	BytesSent     int64  `json:"bytes_sent"`
	BytesReceived int64  `json:"bytes_received"`
}

// showCosts says what a run has cost, host by host, and in memory of this process.
func (c *Console) showCosts(costs []cost, resident, heap int64) {
	for _, of := range costs {
		of.Type = "stats"
		if c.JSON {
			c.object(of)
			continue
		}
		c.say("%s: %s, %s, %s, %s sent, %s received", of.Host, plural(int(of.Connections), "connection"),
			plural(int(of.Sessions), "session"), plural(int(of.RoundTrips), "round trip"), bytesText(of.BytesSent),
			bytesText(of.BytesReceived))
	}
	if !c.JSON {
		c.say("this process: %s at most, %s of it heap now", bytesText(resident), bytesText(heap))
	}
}
