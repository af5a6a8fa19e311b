// What programs do in plain Go: MODE says which.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	switch mode := os.Getenv("MODE"); mode {
	case "upper":
		os.Stdout.WriteString(strings.ToUpper(string(body)))
	case "sort":
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		sort.Strings(lines)
		fmt.Println(strings.Join(lines, "\n"))
	case "json":
		var document map[string]any
		if err := json.Unmarshal(body, &document); err != nil {
			fail(err)
		}
		document["seen"] = len(document)
		if err := json.NewEncoder(os.Stdout).Encode(document); err != nil {
			fail(err)
		}
	default:
		fail(fmt.Errorf("no mode %q", mode))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
