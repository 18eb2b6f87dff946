-- Format 1 of catalog.sqlite. The tables of the ledger are the truth; those of the view can be rebuilt from it.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The ledger ---------------------------------------------------------------------------------------------

CREATE TABLE entry (
  sequence    INTEGER PRIMARY KEY,      -- from 0, without gaps
  time        TEXT NOT NULL,            -- never earlier than the one before
  principal   TEXT NOT NULL,
  action      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  version     INTEGER,                  -- null where no record changed
  reason      TEXT,
  body_digest TEXT                      -- SHA-256 of salt and body
) STRICT;
CREATE INDEX entry_subject ON entry (subject, version);
-- No index on action and principal: two more pages in every commit cost a quarter of its rate.

CREATE TABLE body (
  sequence INTEGER PRIMARY KEY,
  salt     BLOB NOT NULL,
  body     BLOB NOT NULL                -- canonical JSON (RFC 8785)
) STRICT;

-- Root of each complete block of 256 leaves, so that a proof need not read the whole ledger.
CREATE TABLE leaf_block (
  number INTEGER PRIMARY KEY,
  root   BLOB NOT NULL
) STRICT;

-- The head, signed in the transaction that moves it.
CREATE TABLE checkpoint (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  size  INTEGER NOT NULL,
  time  TEXT NOT NULL,
  peaks BLOB NOT NULL,                  -- the right edge of the Merkle tree
  note  TEXT NOT NULL                   -- C2SP tlog-checkpoint
) STRICT;

-- The view -----------------------------------------------------------------------------------------------

-- Everything that an edge may start or end at: records, files, and names from elsewhere.
CREATE TABLE node (
  key INTEGER PRIMARY KEY,              -- records are listed in this order
  iri TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE record (
  key      INTEGER PRIMARY KEY,
  type     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  first    INTEGER NOT NULL,            -- entry that made version 1
  sequence INTEGER NOT NULL,            -- entry that made the current version
  state    INTEGER NOT NULL,            -- 0 live, 1 withdrawn, 2 erased
  dataset  INTEGER,                     -- node of the dataset that governs it
  label    TEXT NOT NULL
) STRICT;
CREATE INDEX record_type ON record (type, key) WHERE state = 0;

CREATE TABLE alias (
  name   TEXT PRIMARY KEY,
  record INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_record ON alias (record);

CREATE TABLE predicate (
  key   INTEGER PRIMARY KEY,
  curie TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE edge (
  source    INTEGER NOT NULL,
  target    INTEGER NOT NULL,
  predicate INTEGER NOT NULL,
  PRIMARY KEY (source, target, predicate)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_target ON edge (target);

-- Files that a record lists, or listed in an earlier version: entry and place of their last mention.
CREATE TABLE file (
  key      INTEGER PRIMARY KEY,
  record   INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  position INTEGER,                     -- in the document's `files`; null once withdrawn
  sha256   TEXT,
  label    TEXT NOT NULL
) STRICT;
CREATE INDEX file_sha256 ON file (sha256) WHERE sha256 IS NOT NULL;
