package etcd

import "testing"

// No value that people set for a member's environment is shown, on however many lines it stands.
func TestRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"[Service]\nUser=etcd\n": "[Service]\nUser=etcd\n",
		"Environment=A=hunter2":  "Environment=(not shown)",
		" Environment = A=hunter2\r\nUser=etcd\n":                 " Environment =(not shown)\r\nUser=etcd\n",
		"Environment=\nUser=etcd\n":                               "Environment=\nUser=etcd\n",
		"#Environment=A=hunter2\n":                                "#Environment=(not shown)\n",
		"UnsetEnvironment=A B\n":                                  "UnsetEnvironment=A B\n",
		"SetCredential=a:hunter2\nSetCredentialEncrypted=b:x\n":   "SetCredential=(not shown)\nSetCredentialEncrypted=(not shown)\n",
		"Environment=A=1 \\\n  B=hunter2 \\\n  C=x\nUser=etcd\n":  "Environment=(not shown)\nUser=etcd\n",
		"Environment=A=1 \\\n# between\n  B=hunter2\nUser=etcd\n": "Environment=(not shown)\nUser=etcd\n",
		"Environment= \\\n  B=hunter2\n":                          "Environment=(not shown)\n",
		"ExecStart=/bin/etcd \\\n  --a=1\n# Environment\n":        "ExecStart=/bin/etcd \\\n  --a=1\n# Environment\n",
	} {
		if got := string(redacted([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
