"""Where plugins meet the daemon: pluggy composes a generation, Protocols do the work."""
