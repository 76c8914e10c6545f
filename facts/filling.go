package facts

// Filling is what fills a member's database, as far as it was read.
type Filling struct {
	Member   string   `json:"member"`
	Keys     int64    `json:"keys"`  // in the database
	Read     int64    `json:"read"`  // of them, those that were read; others were counted, or not seen at all
	Bytes    int64    `json:"bytes"` // of the keys and values that were read or counted, without their history
	All      bool     `json:"all"`   // no prefix was left out
	Prefixes []Prefix `json:"prefixes,omitempty"`
}

// Prefix is what keys with a common beginning hold.
type Prefix struct {
	Prefix string `json:"prefix"` // up to a slash; "": keys without one, or of too many beginnings
	Keys   int64  `json:"keys"`
	Bytes  int64  `json:"bytes"` // of keys and values; where not all were read, by the average of those that were
	Read   int64  `json:"read"`  // keys that were read
}
