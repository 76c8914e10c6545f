package facts

// Hearsay is what the cluster says of a member whose host is dark: its member list, and the member's client port as
// another member's host reaches it. A host that does not answer us may still serve.
type Hearsay struct {
	Listed  bool   `json:"listed"`            // the member list has it
	Serves  bool   `json:"serves"`            // it served a linearizable read
	From    string `json:"from,omitempty"`    // the member from whose host it was asked
	Version string `json:"version,omitempty"` // of etcd, as it says
	Error   string `json:"error,omitempty"`   // why it served none
}
