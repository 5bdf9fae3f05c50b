"""Shows where time and memory go: profiles in Go's pprof format, thread stacks, stalls of the reactor."""
