-- One row for each output that is still owed.
CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, so that no late word ends another job
    kind       TEXT NOT NULL CHECK (kind IN ('render', 'upload')),
    namespace  TEXT NOT NULL,
    hash       TEXT NOT NULL,
    output     TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'parked')),
    attempts   INTEGER NOT NULL DEFAULT 0,   -- how many have failed
    created_at REAL NOT NULL,                -- seconds since the epoch
    due_at     REAL NOT NULL,                -- not to be tried before
    owner      TEXT,                         -- the process that runs it
    orphaned   INTEGER NOT NULL DEFAULT 0,   -- how often its owner was gone before it was done
    error      TEXT,                         -- why the last attempt failed
    again      INTEGER NOT NULL DEFAULT 0,   -- asked for once more while it ran
    UNIQUE (kind, namespace, hash, output)
) STRICT;

CREATE INDEX jobs_due ON jobs (state, kind, due_at);

-- What each remote store has been seen to hold: what is not here, a start looks for and uploads.
CREATE TABLE remotes (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE acknowledged (
    remote    INTEGER NOT NULL REFERENCES remotes,
    namespace TEXT NOT NULL,
    hash      TEXT NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (remote, namespace, hash, name)
) STRICT, WITHOUT ROWID;
