package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clusterup/clusterup/durable"
)

const sumsName = "SHA256SUMS"

// readSums reads the file as sha256sum writes it: file name → digest. A missing file is empty.
func readSums(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if digest, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			sums[strings.TrimLeft(name, " *")] = digest
		}
	}
	return sums, nil
}

// addSum puts the digest of the archive name into SHA256SUMS in dir, and keeps the other lines. The caller holds the
// lock.
func addSum(dir, name string) error {
	path := filepath.Join(dir, sumsName)
	sums, err := readSums(path)
	if err != nil {
		return err
	}
	if sums[name], err = fileDigest(filepath.Join(dir, name)); err != nil {
		return err
	}
	var text strings.Builder
	for _, n := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&text, "%s  %s\n", sums[n], n)
	}
	return durable.Write(path, []byte(text.String()), 0o644)
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
