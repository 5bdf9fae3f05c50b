"""What the log says and where: lines of events and requests, and the files that SIGHUP opens anew."""
