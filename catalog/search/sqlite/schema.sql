-- The search index: what records say, as statements that are kept once and linked to who they are true of.

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

-- How many records of a dataset have a value of a property, by kind of value; kind '' counts them all once.
CREATE TABLE property_use (
    property INTEGER NOT NULL,
    dataset INTEGER NOT NULL,
    kind TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (property, dataset, kind)
) WITHOUT ROWID;

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
