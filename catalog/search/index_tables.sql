-- What every index in an SQLite file has: what it covers, and each distinct value that records have, once.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE property (
    key INTEGER PRIMARY KEY,
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (level, name)
);

-- A key is never given twice: who keeps keys elsewhere may still hold that of a value that is gone.
CREATE TABLE statement (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    property INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT,
    folded TEXT,
    number REAL,
    unit TEXT,
    term TEXT,
    label TEXT,
    original TEXT,
    source TEXT,
    session TEXT,
    facet TEXT NOT NULL
);
CREATE INDEX statement_number ON statement (property, number);
CREATE INDEX statement_term ON statement (property, term);
CREATE INDEX statement_facet ON statement (property, facet, text);

-- The folded texts by which a statement may be asked for.
CREATE TABLE form (
    property INTEGER NOT NULL,
    folded TEXT NOT NULL,
    statement INTEGER NOT NULL,
    PRIMARY KEY (property, folded, statement)
) WITHOUT ROWID;
CREATE INDEX form_statement ON form (statement);
