"""The durable queue of renders and uploads, in SQLite: each job is on disk before an answer relies on it."""
