package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExports judges the logs that the tests of naru-protocol write when NARU_LOG_EXPORT names a folder.
func TestExports(t *testing.T) {
	folder := os.Getenv("NARU_LOG_EXPORT")
	if folder == "" {
		t.Skip("SKIPPED: set NARU_LOG_EXPORT and run `cargo test -p naru-protocol --test log export` first")
	}
	logs, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	for _, log := range logs {
		tree, err := verify(filepath.Join(folder, log.Name()))
		switch {
		case strings.HasPrefix(log.Name(), "good-"):
			good++
			if err != nil {
				t.Errorf("%s: %v", log.Name(), err)
			}
			t.Log(log.Name(), tree.N, tree.Hash)
		case strings.HasPrefix(log.Name(), "bad-"):
			bad++
			if err == nil {
				t.Errorf("%s was accepted", log.Name())
			}
			t.Log(log.Name(), err)
		}
	}
	if good == 0 || bad < 3 {
		t.Fatalf("%d good and %d tampered logs in %s", good, bad, folder)
	}
}
