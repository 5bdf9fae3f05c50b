"""The durable queue in SQLite: each render, upload, erasure and purge is on disk before an answer relies on it."""
