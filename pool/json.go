package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxValue is how many bytes a value may have.
const MaxValue = 4 << 10

// fields reads one JSON object whose fields are all known. Unlike encoding/json it takes no field twice, none in other
// letters, and nothing after the object.
func fields(value []byte, known ...string) (map[string]json.RawMessage, error) {
	if len(value) > MaxValue {
		return nil, fmt.Errorf("it has %d bytes, and %d are the most", len(value), MaxValue)
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	found := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("it is no JSON: %s", clean(err))
		}
		name, _ := token.(string) // names of an object's fields are always strings
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("field %s is unknown: there are %s", Quote(name), strings.Join(known, ", "))
		}
		if _, twice := found[name]; twice {
			return nil, fmt.Errorf("field %q is there twice", name)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("field %q is no JSON: %s", name, clean(err))
		}
		found[name] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("it is no JSON: %s", clean(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return found, nil
}

// text is a field that must be a string; it is "" where the field is not there.
func text(found map[string]json.RawMessage, name string) (string, error) {
	raw, there := found[name]
	if !there {
		return "", nil
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", fmt.Errorf("field %q is no string: %s", name, Quote(string(raw)))
	}
	return *s, nil
}

// number is a field that must be a whole number from least to most; it is missing where the field is not there.
func number(found map[string]json.RawMessage, name string, least, most, missing int64) (int64, error) {
	raw, there := found[name]
	if !there {
		return missing, nil
	}
	var n *int64
	if json.Unmarshal(raw, &n) != nil || n == nil || *n < least || *n > most {
		return 0, fmt.Errorf("field %q is no whole number from %d to %d: %s", name, least, most, Quote(string(raw)))
	}
	return *n, nil
}

// clean is what an error of encoding/json says, which may have bytes of the value in it.
func clean(err error) string {
	quoted := Quote(err.Error())
	return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
}
