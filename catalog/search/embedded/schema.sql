-- What the segments of the index mean, which there are, and the documents that are newer than any segment.

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
