"""Where time and memory go: profiles in the form of Go's pprof, and the stacks of all threads."""
