package facts

// TokenKey is a key by which members sign the tokens of users that log in with a password. The key itself is never part
// of a fact.
type TokenKey struct {
	Generation int    `json:"generation"`
	SHA256     string `json:"sha256"` // of its file, hexadecimal
	Here       bool   `json:"here"`   // the key itself is in the operator directory, sealed or not
}

// Login is what became of a login as a user, with the password that it is to have.
type Login string

// The zero value: nobody knows.
const (
	LoginWorks   Login = "works"
	LoginRefused Login = "refused" // it has another password, or none
)
