// Command verify checks exported logs with code that is not this project's: golang.org/x/mod/sumdb/note and tlog.
//
//	verify DIR...
//
// Each DIR holds vkey, checkpoint and tile/ as C2SP tlog-tiles names them. It prints "ok DIR size root" for each log that
// is whole, and the reason for each that is not, and then exits with 1.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: verify DIR...")
		os.Exit(2)
	}
	failed := false
	for _, dir := range os.Args[1:] {
		tree, err := verify(dir)
		if err != nil {
			fmt.Fprintf(os.Stderr, "failed %s: %v\n", dir, err)
			failed = true
			continue
		}
		fmt.Println("ok", dir, tree.N, tree.Hash)
	}
	if failed {
		os.Exit(1)
	}
}

// verify checks everything that can be checked without knowing what an entry means.
func verify(dir string) (tlog.Tree, error) {
	tree, err := openCheckpoint(dir)
	if err != nil {
		return tree, err
	}
	if tree.N == 0 {
		if tree.Hash != sha256.Sum256(nil) {
			return tree, errors.New("the log without entries has a root of its own")
		}
		return tree, nil
	}
	files := &tiles{dir: dir, read: map[string][]byte{}}
	leaves, err := hashEntries(files, tree.N)
	if err != nil {
		return tree, err
	}
	hashes := &cache{from: tlog.TileHashReader(tree, files), known: map[int64]tlog.Hash{}}
	if err := checkTiles(files, hashes, tree.N); err != nil {
		return tree, err
	}
	for index, leaf := range leaves {
		proof, err := tlog.ProveRecord(tree.N, int64(index), hashes)
		if err != nil {
			return tree, fmt.Errorf("proving entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), leaf); err != nil {
			return tree, fmt.Errorf("entry %d: %w", index, err)
		}
	}
	return tree, checkGrowth(tree, hashes)
}

// openCheckpoint verifies the note and reads origin, size and root, one a line and nothing else.
func openCheckpoint(dir string) (tree tlog.Tree, err error) {
	vkey, err := os.ReadFile(filepath.Join(dir, "vkey"))
	if err != nil {
		return tree, err
	}
	verifier, err := note.NewVerifier(strings.TrimSuffix(string(vkey), "\n"))
	if err != nil {
		return tree, fmt.Errorf("vkey: %w", err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tree, errors.New("checkpoint: not three lines")
	}
	if lines[0] != verifier.Name() {
		return tree, errors.New("checkpoint: the key is named for another origin")
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || tree.N < 0 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, errors.New("checkpoint: size")
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	if err != nil {
		return tree, fmt.Errorf("checkpoint: root: %w", err)
	}
	return tree, nil
}

// hashEntries reads every entry bundle, compares its hashes with the tile of level 0, and gives them.
func hashEntries(files *tiles, size int64) ([]tlog.Hash, error) {
	var leaves []tlog.Hash
	for number := int64(0); number*width < size; number++ {
		count := int(min(size-number*width, width))
		tile := tlog.Tile{H: height, L: 0, N: number, W: count}
		bundle, err := os.ReadFile(filepath.Join(files.dir, bundlePath(tile)))
		if err != nil {
			return nil, err
		}
		entries, err := splitBundle(bundle)
		if err != nil || len(entries) != count {
			return nil, fmt.Errorf("%s: not %d entries", bundlePath(tile), count)
		}
		var hashes []byte
		for _, entry := range entries {
			leaf := tlog.RecordHash(entry)
			leaves = append(leaves, leaf)
			hashes = append(hashes, leaf[:]...)
		}
		stored, err := files.file(tilePath(tile))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(stored, hashes) {
			return nil, fmt.Errorf("%s does not hold the hashes of %s", tilePath(tile), bundlePath(tile))
		}
	}
	return leaves, nil
}

// splitBundle cuts a bundle into entries, each after its length in two bytes, big endian.
func splitBundle(bundle []byte) (entries [][]byte, err error) {
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("a length is cut off")
		}
		length := int(binary.BigEndian.Uint16(bundle))
		bundle = bundle[2:]
		if len(bundle) < length {
			return nil, errors.New("an entry is cut off")
		}
		entries, bundle = append(entries, bundle[:length]), bundle[length:]
	}
	return entries, nil
}

// checkTiles compares every tile that a log of this size has with what the verified hashes say that it must hold.
func checkTiles(files *tiles, hashes tlog.HashReader, size int64) error {
	for _, tile := range tlog.NewTiles(height, 0, size) {
		stored, err := files.file(tilePath(tile))
		if err != nil {
			return err
		}
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return fmt.Errorf("%s: %w", tilePath(tile), err)
		}
		if !bytes.Equal(stored, data) {
			return fmt.Errorf("%s differs from the log", tilePath(tile))
		}
	}
	return nil
}

// checkGrowth proves that the log begins with each of its earlier selves whose size is a power of two.
func checkGrowth(tree tlog.Tree, hashes tlog.HashReader) error {
	for old := int64(1); old <= tree.N; old *= 2 {
		root, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return fmt.Errorf("root at %d: %w", old, err)
		}
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		if err != nil {
			return fmt.Errorf("proving size %d: %w", old, err)
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old, root); err != nil {
			return fmt.Errorf("size %d: %w", old, err)
		}
	}
	return nil
}

// tilePath turns sumdb's tile/8/L/N into tile/L/N.
func tilePath(tile tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
}

func bundlePath(tile tlog.Tile) string {
	return "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/")
}

// tiles reads hash tiles from the folder; tlog verifies them.
type tiles struct {
	dir  string
	read map[string][]byte
}

func (t *tiles) file(path string) ([]byte, error) {
	if data, ok := t.read[path]; ok {
		return data, nil
	}
	data, err := os.ReadFile(filepath.Join(t.dir, path))
	if err == nil {
		t.read[path] = data
	}
	return data, err
}

func (t *tiles) Height() int { return height }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, 0, len(wanted))
	for _, tile := range wanted {
		file, err := t.file(tilePath(tile))
		if err != nil {
			return nil, err
		}
		data = append(data, file)
	}
	return data, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// cache keeps hashes that were verified once.
type cache struct {
	from  tlog.HashReader
	known map[int64]tlog.Hash
}

func (c *cache) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, index := range indexes {
		if _, ok := c.known[index]; !ok {
			missing = append(missing, index)
		}
	}
	if len(missing) > 0 {
		hashes, err := c.from.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		for at, index := range missing {
			c.known[index] = hashes[at]
		}
	}
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		hashes = append(hashes, c.known[index])
	}
	return hashes, nil
}
