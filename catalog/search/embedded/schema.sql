-- What the segments of the index mean, which there are, and the documents that are newer than any segment.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE dataset (
    key INTEGER PRIMARY KEY,
    iri TEXT NOT NULL UNIQUE,
    label TEXT,
    title TEXT,
    statements TEXT NOT NULL DEFAULT '[]',
    withdrawn INTEGER NOT NULL DEFAULT 0,
    stamp INTEGER NOT NULL
);
CREATE INDEX dataset_stamp ON dataset (stamp);

CREATE TABLE property (
    key INTEGER PRIMARY KEY,
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (level, name)
);

-- Every distinct value once. A key is never given twice: a segment may still hold that of a value that is gone.
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

-- Full text. The words are made by us, so the tokeniser has only to split them at spaces.
CREATE VIRTUAL TABLE word USING fts5 (words, tokenize = 'ascii', detail = none);

CREATE TABLE segment (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL UNIQUE,
    records INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0  -- whether it still holds the name of a record that was withdrawn
);

-- Documents of a segment that were written again, or removed.
CREATE TABLE buried (
    segment INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (segment, ordinal)
) WITHOUT ROWID;
CREATE INDEX buried_stamp ON buried (stamp);

-- Documents that are in no segment yet.
CREATE TABLE fresh (iri TEXT PRIMARY KEY, document TEXT NOT NULL, stamp INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX fresh_stamp ON fresh (stamp);
