package inventory

import "fmt"

// FlagsFor returns flags as the etcd of that minor takes them. It is pure.
func FlagsFor(flags map[string]string, minor string) (map[string]string, error) {
	return flags, nil
}

// FlagError names the flags that an etcd of that minor has nothing for.
type FlagError struct {
	Minor string
	Names []string // sorted
}

func (e *FlagError) Error() string { return fmt.Sprintf("%s %v", e.Minor, e.Names) }
