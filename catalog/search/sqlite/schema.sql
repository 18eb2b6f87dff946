-- The search index: what records say, as statements that are kept once and linked to who they are true of.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE dataset (
    key INTEGER PRIMARY KEY,
    iri TEXT NOT NULL UNIQUE,
    label TEXT,
    title TEXT,
    statements TEXT NOT NULL DEFAULT '[]',
    withdrawn INTEGER NOT NULL DEFAULT 0
);

-- A participant that only an acquisition speaks of so far has live = 0.
CREATE TABLE participant (
    key INTEGER PRIMARY KEY,
    iri TEXT NOT NULL UNIQUE,
    live INTEGER NOT NULL,
    dataset INTEGER,
    label TEXT,
    folded TEXT
);

CREATE TABLE acquisition (
    key INTEGER PRIMARY KEY,
    iri TEXT NOT NULL UNIQUE,
    participant INTEGER,
    dataset INTEGER,
    label TEXT NOT NULL,
    folded TEXT NOT NULL
);
CREATE INDEX acquisition_participant ON acquisition (participant);

CREATE TABLE property (
    key INTEGER PRIMARY KEY,
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (level, name)
);

-- How many records of a dataset have a value of a property, by kind of value; kind '' counts them all once.
CREATE TABLE property_use (
    property INTEGER NOT NULL,
    dataset INTEGER NOT NULL,
    kind TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (property, dataset, kind)
) WITHOUT ROWID;

CREATE TABLE statement (
    key INTEGER PRIMARY KEY,
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

-- The words by which full text finds a statement.
CREATE TABLE word (
    word TEXT NOT NULL,
    property INTEGER NOT NULL,
    statement INTEGER NOT NULL,
    PRIMARY KEY (word, property, statement)
) WITHOUT ROWID;
CREATE INDEX word_statement ON word (statement);

CREATE TABLE participant_statement (
    participant INTEGER NOT NULL,
    statement INTEGER NOT NULL,
    PRIMARY KEY (participant, statement)
) WITHOUT ROWID;
CREATE INDEX participant_statement_by_statement ON participant_statement (statement, participant);

CREATE TABLE acquisition_statement (
    acquisition INTEGER NOT NULL,
    statement INTEGER NOT NULL,
    PRIMARY KEY (acquisition, statement)
) WITHOUT ROWID;
CREATE INDEX acquisition_statement_by_statement ON acquisition_statement (statement, acquisition);
