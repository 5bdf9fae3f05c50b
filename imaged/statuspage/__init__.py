"""What operators see on the status page: the snapshot, its alerts and history, and the page itself."""
