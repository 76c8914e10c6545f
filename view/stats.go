package view

// Cost is what a host has cost, with --json and --stats.
type Cost struct {
	Type          string `json:"type"` // "stats"
	Host          string `json:"host"`
	Connections   int64  `json:"connections"`
	Sessions      int64  `json:"sessions"`
	RoundTrips    int64  `json:"round_trips"`
	BytesSent     int64  `json:"bytes_sent"`
	BytesReceived int64  `json:"bytes_received"`
}

// ShowCosts says what a run has cost, host by host, and how much memory this process took, in bytes.
func (c *Console) ShowCosts(costs []Cost, resident, heap int64) {
	for _, of := range costs {
		of.Type = "stats"
		if c.JSON {
			c.Object(of)
			continue
		}
		c.Say("%s: %s, %s, %s, %s sent, %s received", of.Host, Plural(int(of.Connections), "connection"),
			Plural(int(of.Sessions), "session"), Plural(int(of.RoundTrips), "round trip"), Size(of.BytesSent),
			Size(of.BytesReceived))
	}
	if !c.JSON {
		c.Say("this process: %s at most, %s of it heap now", Size(resident), Size(heap))
	}
}
