package monitoring

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// encode writes a value below what is in b.
func encode(b *bytes.Buffer, value any) ([]byte, error) {
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	err := e.Encode(value)
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), nil
}
