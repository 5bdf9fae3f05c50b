-- How far the comparison of the local store with the remote one is: until it has ended, nobody knows what is owed.
CREATE TABLE IF NOT EXISTS comparison (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    remote   TEXT NOT NULL,                -- which remote store
    began_at REAL NOT NULL,                -- seconds since the epoch
    images   INTEGER NOT NULL DEFAULT 0,   -- looked at
    missing  INTEGER NOT NULL DEFAULT 0,   -- files that were not known to be there, and were queued
    state    TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'ended', 'failed'))
) STRICT;
