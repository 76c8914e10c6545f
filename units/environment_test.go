package units

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Each flag that an inventory may name, and each that etcd 3.4 had, is kept from coming in by another door.
func TestUnwanted(t *testing.T) {
	all := Unwanted()
	if all[0] != "ETCD_CONFIG_FILE" {
		t.Errorf("the first is %s", all[0])
	}
	if sorted := slices.Compact(slices.Sorted(slices.Values(all))); len(sorted) != len(all) {
		t.Errorf("%d names, of which %d differ", len(all), len(sorted))
	}
	table, err := os.ReadFile("../inventory/etcdflags.txt")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{
		"ETCD_FORCE_NEW_CLUSTER", "ETCD_NAME", "ETCD_DEBUG", "ETCD_LOG_OUTPUT", "ETCD_LOG_PACKAGE_LEVELS",
		"ETCD_EXPERIMENTAL_BACKEND_BBOLT_FREELIST_TYPE", "ETCD_DISABLE_LOG_SAMPLING", "GODEBUG", "SSL_CERT_FILE",
		"https_proxy",
	}
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); fields[0] != "#" {
			wanted = append(wanted, variable(fields[0]))
		}
	}
	if len(wanted) < 150 {
		t.Fatalf("only %d flags in the table", len(wanted))
	}
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			t.Errorf("%s is not unset", name)
		}
	}
	var unset []string
	for line := range strings.Lines(string(Unit(prod("3.6.16")).Data)) {
		if names, ok := strings.CutPrefix(line, "UnsetEnvironment="); ok {
			unset = append(unset, strings.Fields(names)...)
		}
	}
	if !slices.Equal(unset, all) {
		t.Errorf("the unit unsets %q", unset)
	}
}
