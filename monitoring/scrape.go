package monitoring

import "bytes"

type scrapeFile struct {
	Configs []scrapeConfig `yaml:"scrape_configs"`
}

type scrapeConfig struct {
	Job     string         `yaml:"job_name"`
	Scheme  string         `yaml:"scheme"`
	TLS     *tlsConfig     `yaml:"tls_config,omitempty"`
	Targets []staticConfig `yaml:"static_configs"`
}

type tlsConfig struct {
	CA   string `yaml:"ca_file"`
	Cert string `yaml:"cert_file"`
	Key  string `yaml:"key_file"`
}

type staticConfig struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// Scrape is the scrape configuration of a Prometheus server: one job, whose series say of which cluster and member they
// are. It is a whole file for scrape_config_files (Prometheus 2.43 and later), and a part of prometheus.yml for others.
func Scrape(c Cluster) ([]byte, error) {
	config := scrapeConfig{Job: c.Job(), Scheme: "http"}
	if c.TLS {
		config.Scheme = "https"
		config.TLS = &tlsConfig{CA: c.Certificates.CA, Cert: c.Certificates.Cert, Key: c.Certificates.Key}
	}
	for _, m := range c.Members {
		config.Targets = append(config.Targets, staticConfig{
			Targets: []string{m.HostPort}, Labels: map[string]string{"cluster": c.Name, "member": m.Name},
		})
	}
	var b bytes.Buffer
	b.WriteString("# The members of the etcd cluster " + c.Name + ". clusterup monitoring scrape wrote this: a member that is added or moved\n" +
		"# asks for it anew.\n")
	return encode(&b, scrapeFile{Configs: []scrapeConfig{config}})
}
