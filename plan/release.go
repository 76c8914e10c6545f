package plan

// Release is a verified etcd release for one architecture.
type Release struct {
	Version  string            `json:"version"`
	Arch     string            `json:"arch"`
	SHA256   string            `json:"sha256"`   // of the archive
	Binaries map[string]string `json:"binaries"` // name → SHA-256: etcd, etcdctl, etcdutl
}

// Pin is the key of a release in the operator's lock file.
func (r Release) Pin() string { return r.Version + "/" + r.Arch }
