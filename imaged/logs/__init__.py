"""The log: its lines, the lines of requests, and the files that SIGHUP reopens."""
