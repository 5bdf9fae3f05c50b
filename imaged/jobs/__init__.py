"""Work that an answer has promised: in SQLite before the answer, done at least once."""
