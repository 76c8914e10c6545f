package balancer

// Node is what one node of a balancer is to run.
type Node struct {
	Cluster, Balancer, Name string

	Listens   []Listen
	Endpoints []string // client URLs of the members of etcd that are wanted, in the order of the inventory
	TLS       bool     // the endpoints are https
	Address   string   // IP address on which it listens; empty: on all that the host has
	Program   string   // absolute path of clusterup-node; see ProgramPath
	Writer    string   // the version of clusterup, for people
}

// Listen is a port that leads to all servers.
type Listen struct {
	Name string
	Port int
	// PostgresUser is whom a health check names to PostgreSQL; empty: it only connects
	PostgresUser string
}
