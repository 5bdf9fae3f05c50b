-- Queues of version 1 have several shapes: without `orphaned`, without AUTOINCREMENT, without the tables of remote stores.
-- Here they get the one of 0001, and keep their rows.
CREATE TABLE jobs_2 (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('render', 'upload')),
    namespace  TEXT NOT NULL,
    hash       TEXT NOT NULL,
    output     TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'parked')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    due_at     REAL NOT NULL,
    owner      TEXT,
    orphaned   INTEGER NOT NULL DEFAULT 0,
    error      TEXT,
    again      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, namespace, hash, output)
) STRICT;

-- The ids of rows that are gone are not given again either.
INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs_2', seq FROM sqlite_sequence WHERE name = 'jobs';

-- Where `jobs` has no column `orphaned`, the name inside the subquery is that of `missing`.
INSERT INTO jobs_2
SELECT id, kind, namespace, hash, output, state, attempts, created_at, due_at, owner,
       (SELECT orphaned FROM jobs AS same WHERE same.id = jobs.id), error, again
FROM jobs CROSS JOIN (SELECT 0 AS orphaned) AS missing;

DROP TABLE jobs;

ALTER TABLE jobs_2 RENAME TO jobs;

CREATE INDEX jobs_due ON jobs (state, kind, due_at);

CREATE TABLE IF NOT EXISTS remotes (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS acknowledged (
    remote    INTEGER NOT NULL REFERENCES remotes,
    namespace TEXT NOT NULL,
    hash      TEXT NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (remote, namespace, hash, name)
) STRICT, WITHOUT ROWID;
