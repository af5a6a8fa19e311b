// Variables in Go, as a plain WASI program: lines `NAME=value` on stdin become one hash, named
// after the object, in an entries document on stdout. Its route says `output = "entries"`.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type entry struct {
	Key   string            `json:"key"`
	Type  string            `json:"type"`
	Value map[string]string `json:"value"`
}

func main() {
	variables := map[string]string{}
	lines := bufio.NewScanner(os.Stdin)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if !found {
			fmt.Fprintf(os.Stderr, "line %d has no `=`\n", number)
			os.Exit(1)
		}
		variables[name] = value
	}
	document := []entry{{Key: os.Getenv("OBJECT_KEY"), Type: "hash", Value: variables}}
	if err := json.NewEncoder(os.Stdout).Encode(document); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
