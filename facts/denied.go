package facts

import "errors"

// ErrPermission: etcd's access control refuses the user of the client certificate, or that there is none. Trying again does not help.
var ErrPermission = errors.New("permission denied")
