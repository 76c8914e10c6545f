package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusterup/clusterup/facts"
	"github.com/clusterup/clusterup/operator"
	"github.com/clusterup/clusterup/plan/etcd"
	"github.com/clusterup/clusterup/shellword"
)

func newEnv(c *console) *cobra.Command {
	var flags clusterFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "env NAME INVENTORY --dir DIR",
		Short: "Print the variables with which etcdctl uses a client certificate",
		Long: "env prints what a shell needs: eval \"$(clusterup env app prod.hcl --dir creds)\". DIR is where cert issue NAME has put the\n" +
			"certificate. etcdctl then goes straight to the members; clusterup etcdctl goes through SSH.",
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.with(args[1], flags, func(s *session) error { return s.env(args[0], dir) })
		},
	}
	flags.inventoryFlags(cmd)
	cmd.Flags().StringVar(&dir, "dir", ".", "where cert issue has put the certificate")
	return cmd
}

func (s *session) env(name, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find certificate: %w", err)
	}
	cert, key, ca := clientFiles(dir, name)
	for _, file := range []string{cert, key, ca} {
		if !s.Cluster.TLS.Clients {
			break // none is asked for
		}
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("find certificate: %w: clusterup cert issue %s %s --out %s makes one", err, name, s.file, dir)
		}
	}
	var endpoints []string
	for _, m := range s.Cluster.Present() {
		endpoints = append(endpoints, etcd.ClientURL(s.Cluster, m))
	}
	if s.Cluster.TLS.Clients {
		s.refusedNote(name, cert)
	}
	variables := etcdctlEnv(strings.Join(endpoints, ","), ca, cert, key)
	if !s.Cluster.TLS.Clients {
		variables = variables[:1]
	}
	for _, v := range variables {
		variable, value, _ := strings.Cut(v, "=")
		s.console.Print("export %s=%s\n", variable, shellword.Quote(value))
	}
	return nil
}

// refusedNote says if members refuse a certificate that was issued from this operator directory. Of other certificates
// nothing is known.
func (s *session) refusedNote(name, file string) {
	store, err := s.OpenStore()
	if err != nil {
		return
	}
	known := s.Known(store, s.Now())
	content, err := os.ReadFile(file)
	clients, errClients := store.Clients()
	if err != nil || errClients != nil {
		return
	}
	sums := facts.Certificates(content)
	for _, c := range clients {
		if why := known.Refused(operator.ClientOf(c)); why != "" && slices.Contains(sums, c.SHA256) {
			s.console.Say("note: members refuse %s: %s; clusterup cert issue %s %s --out DIR makes another", file, why, name,
				s.file)
		}
	}
}

// etcdctlEnv is the environment of an etcdctl.
func etcdctlEnv(endpoints, ca, cert, key string) []string {
	return []string{
		"ETCDCTL_ENDPOINTS=" + endpoints, "ETCDCTL_CACERT=" + ca, "ETCDCTL_CERT=" + cert, "ETCDCTL_KEY=" + key,
	}
}
