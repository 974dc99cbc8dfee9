package textdiff

// Similar returns how much of the longer of two texts stands in the other one too, line by line in
// any order, in percent. 100 is for equal texts only.
func Similar(a, b [][]byte) int {
	if len(b) > len(a) {
		a, b = b, a
	}
	there := make(map[string]int, len(b))
	sizeA, sizeB, common := 0, 0, 0
	for _, line := range b {
		there[string(line)]++
		sizeB += len(line)
	}
	for _, line := range a {
		sizeA += len(line)
		if n := there[string(line)]; n > 0 {
			there[string(line)] = n - 1
			common += len(line)
		}
	}
	longer := max(sizeA, sizeB)
	if longer == 0 {
		return 100
	}
	percent := common * 100 / longer
	if percent == 100 && !equal(a, b) {
		return 99
	}
	return percent
}

func equal(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if string(a[i]) != string(b[i]) {
			return false
		}
	}
	return true
}
