package plan

import (
	"fmt"
	"strings"
	"time"
)

// Placeholder stands in shown plans for what only an apply makes: the token, and CAs that do not exist yet.
const Placeholder = "(made by apply)"

// Enumerate joins names for people: "etcd-1, etcd-2 and etcd-3".
func Enumerate(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// Count is a number with its noun: "1 host", "3 hosts".
func Count(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Bytes is a size for people: "512 MiB", "8.0 GiB".
func Bytes(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// AheadOrBehind says on which side of this machine's clock another one is.
func AheadOrBehind(off time.Duration) string {
	if off > 0 {
		return "ahead of"
	}
	return "behind"
}
