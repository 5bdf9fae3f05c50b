-- Jobs of the kinds `erase`, what an erasure has to remove from the remote store, and `purge`, from caches. SQLite cannot change a CHECK, so the table
-- is built again, with the shape of 0003; its triggers, which go with the old table, are those of 0005.
CREATE TABLE jobs_6 (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('render', 'upload', 'erase', 'purge')),
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
    client     TEXT NOT NULL DEFAULT '',
    turn       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, namespace, hash, output)
) STRICT;

INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs_6', seq FROM sqlite_sequence WHERE name = 'jobs';

INSERT INTO jobs_6
SELECT id, kind, namespace, hash, output, state, attempts, created_at, due_at, owner, orphaned, error, again, client, turn
FROM jobs;

DROP TABLE jobs;

ALTER TABLE jobs_6 RENAME TO jobs;

CREATE INDEX jobs_due ON jobs (state, kind, due_at);

CREATE INDEX jobs_turn ON jobs (state, kind, turn, due_at);

CREATE INDEX jobs_client ON jobs (state, kind, client, namespace, hash);

CREATE INDEX jobs_age ON jobs (kind, state, created_at);

CREATE TRIGGER tally_inserted AFTER INSERT ON jobs BEGIN
    INSERT INTO tallying SELECT new.kind, new.state, new.namespace, new.client, 1, 1 = (
        SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = new.client AND namespace = new.namespace AND hash = new.hash LIMIT 2)
    );
END;

CREATE TRIGGER tally_deleted AFTER DELETE ON jobs BEGIN
    INSERT INTO tallying SELECT old.kind, old.state, old.namespace, old.client, -1, -(NOT EXISTS (
        SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = old.client AND namespace = old.namespace AND hash = old.hash
    ));
END;

CREATE TRIGGER tally_updated AFTER UPDATE OF state, client ON jobs
WHEN old.state <> new.state OR old.client <> new.client BEGIN
    INSERT INTO tallying SELECT old.kind, old.state, old.namespace, old.client, -1, -(NOT EXISTS (
        SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = old.client AND namespace = old.namespace AND hash = old.hash
    ));
    INSERT INTO tallying SELECT new.kind, new.state, new.namespace, new.client, 1, 1 = (
        SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = new.client AND namespace = new.namespace AND hash = new.hash LIMIT 2)
    );
END;
