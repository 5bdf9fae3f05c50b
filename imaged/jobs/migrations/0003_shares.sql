-- Who asked for a render, by address, and when its turn is: lower ones are claimed first. See shares.py.
ALTER TABLE jobs ADD COLUMN client TEXT NOT NULL DEFAULT '';

ALTER TABLE jobs ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS jobs_turn ON jobs (state, kind, turn, due_at);

CREATE INDEX IF NOT EXISTS jobs_client ON jobs (state, kind, client, namespace, hash);
