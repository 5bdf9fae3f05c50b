-- How many jobs there are, so that a new job and the status count no rows: of each kind and state, and of the queued
-- renders those of each namespace and client. `images` counts the images of a client's queued renders. See shares.py.
CREATE TABLE IF NOT EXISTS tallies (
    kind   TEXT NOT NULL,
    state  TEXT NOT NULL,
    scope  TEXT NOT NULL CHECK (scope IN ('all', 'namespace', 'client')),
    name   TEXT NOT NULL,                -- of the namespace or the client
    jobs   INTEGER NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (kind, state, scope, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS jobs_age ON jobs (kind, state, created_at);

-- An INSERT into this view changes the tallies by `jobs` and `images`.
CREATE VIEW IF NOT EXISTS tallying AS SELECT '' AS kind, '' AS state, '' AS namespace, '' AS client, 0 AS jobs, 0 AS images;

CREATE TRIGGER IF NOT EXISTS tally_all INSTEAD OF INSERT ON tallying BEGIN
    INSERT INTO tallies VALUES (new.kind, new.state, 'all', '', new.jobs, 0)
        ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs;
END;

CREATE TRIGGER IF NOT EXISTS tally_shares INSTEAD OF INSERT ON tallying
WHEN new.kind = 'render' AND new.state = 'queued' BEGIN
    INSERT INTO tallies
        VALUES ('render', 'queued', 'namespace', new.namespace, new.jobs, 0),
               ('render', 'queued', 'client', new.client, new.jobs, new.images)
        ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, images = images + excluded.images;
    DELETE FROM tallies WHERE jobs = 0 AND kind = 'render' AND state = 'queued'
        AND (scope, name) IN (VALUES ('namespace', new.namespace), ('client', new.client));
END;

CREATE TRIGGER IF NOT EXISTS tally_inserted AFTER INSERT ON jobs BEGIN
    INSERT INTO tallying SELECT new.kind, new.state, new.namespace, new.client, 1, 1 = (
        SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = new.client AND namespace = new.namespace AND hash = new.hash LIMIT 2)
    );
END;

CREATE TRIGGER IF NOT EXISTS tally_deleted AFTER DELETE ON jobs BEGIN
    INSERT INTO tallying SELECT old.kind, old.state, old.namespace, old.client, -1, -(NOT EXISTS (
        SELECT 1 FROM jobs WHERE state = 'queued' AND kind = 'render'
            AND client = old.client AND namespace = old.namespace AND hash = old.hash
    ));
END;

CREATE TRIGGER IF NOT EXISTS tally_updated AFTER UPDATE OF state, client ON jobs
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

DELETE FROM tallies;

INSERT INTO tallies SELECT kind, state, 'all', '', count(*), 0 FROM jobs GROUP BY kind, state;

INSERT INTO tallies SELECT kind, state, 'namespace', namespace, count(*), 0 FROM jobs
WHERE kind = 'render' AND state = 'queued' GROUP BY namespace;

INSERT INTO tallies SELECT kind, state, 'client', client, count(*), count(DISTINCT namespace || '/' || hash) FROM jobs
WHERE kind = 'render' AND state = 'queued' GROUP BY client;
