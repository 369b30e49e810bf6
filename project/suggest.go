package project

import (
	"fmt"
	"slices"
	"strings"
)

// meant is the hint for a word that is not among the known ones: the nearest of them,
// or all when there are few.
func meant(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("Did you mean %q?", near)
	}
	if len(known) > 0 && len(known) <= 20 {
		return "There are: " + strings.Join(known, ", ") + "."
	}
	return ""
}

// nearest finds the known word that a typing error away from word.
func nearest(word string, known []string) string {
	best, bestDistance := "", len(word)/3+2
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := distance(strings.ToLower(word), k)
		if d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
