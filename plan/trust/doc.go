// Package trust decides about certificates: which CAs members trust, which of them signs, which certificates are due,
// and what a rotation does next. It knows nothing else of a cluster, and does no I/O.
package trust
