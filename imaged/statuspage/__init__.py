"""Shows operators the state of the daemon: collects the snapshot, finds alerts, renders the pages."""
