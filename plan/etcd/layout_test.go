package etcd

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/clusterup/clusterup/inventory"
)

// Each setting of the etcd block is in the unit of a new member.
func TestSettingsReachTheUnit(t *testing.T) {
	unit := func(set func(*inventory.Etcd)) []byte {
		w := wanted(t, 1)
		set(&w.Cluster.Etcd)
		s := bare(w)
		m := w.Cluster.Members[0]
		return newView(w, s).unitFile(m, s.Hosts[m.Name]).Data
	}
	plain := unit(func(*inventory.Etcd) {})
	fields := reflect.TypeFor[inventory.Etcd]()
	for i := range fields.NumField() {
		changed := unit(func(e *inventory.Etcd) {
			switch field := reflect.ValueOf(e).Elem().Field(i); field.Kind() {
			case reflect.Int, reflect.Int64:
				field.SetInt(field.Int() + 1e9) // a second more, where it is a time
			case reflect.Map:
				field.Set(reflect.ValueOf(map[string]string{"log-level": "warn"}))
			default:
				t.Fatalf("%s is of the kind %s", fields.Field(i).Name, field.Kind())
			}
		})
		if bytes.Equal(changed, plain) {
			t.Errorf("%s is not in the unit", fields.Field(i).Name)
		}
	}
}
