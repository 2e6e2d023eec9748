-- The first schema. Positions (`seq`) are shared by `message` and `entry`: together they are the log.
-- Rows of `user`, `topic`, `token` and `device` are never deleted, only marked, because receipts speak of them.

CREATE TABLE meta (
  one           INTEGER PRIMARY KEY CHECK (one = 1),
  instance      TEXT    NOT NULL,
  epoch         TEXT    NOT NULL,
  boot          TEXT    NOT NULL,
  boot_before   TEXT    NOT NULL,
  head          INTEGER NOT NULL DEFAULT 0, -- keeps the position when the last rows of the log are pruned
  direct_pruned INTEGER NOT NULL DEFAULT 0, -- messages without a topic are pruned up to here
  claims        INTEGER NOT NULL DEFAULT 0, -- the last claim's id: one that was taken back is not used again
  probed_at     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE user (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT    NOT NULL COLLATE NOCASE,
  display_name TEXT    NOT NULL,
  admin        INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  removed_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX user_name ON user (name) WHERE removed_at IS NULL;

CREATE TABLE topic (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  name           TEXT    NOT NULL,
  description    TEXT    NOT NULL,
  retention_days INTEGER,
  created_at     INTEGER NOT NULL,
  removed_at     INTEGER,
  pruned         INTEGER NOT NULL DEFAULT 0 -- its messages are pruned up to here
) STRICT;
CREATE UNIQUE INDEX topic_name ON topic (name) WHERE removed_at IS NULL;

-- A member at position s: from_seq < s and (to_seq is null or s <= to_seq).
CREATE TABLE member (
  user     INTEGER NOT NULL REFERENCES user (id),
  topic    INTEGER NOT NULL REFERENCES topic (id),
  from_seq INTEGER NOT NULL,
  to_seq   INTEGER,
  PRIMARY KEY (user, topic, from_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_topic ON member (topic, user, from_seq, to_seq);

-- No foreign keys on the hot path: each would be one more lookup per publish.
CREATE TABLE message (
  seq           INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL,
  at            INTEGER NOT NULL,
  topic         INTEGER,
  people        TEXT,             -- sorted user ids as JSON, when people are named
  token         INTEGER NOT NULL,
  user          INTEGER,
  sender        TEXT    NOT NULL,
  title         TEXT    NOT NULL,
  body          TEXT    NOT NULL,
  extras        TEXT,             -- format, tags, click, actions as JSON, when there are any
  priority      INTEGER NOT NULL,
  key           TEXT,
  thread        TEXT,             -- null: its own id
  supersedes    TEXT,
  superseded_by INTEGER,
  resolved      INTEGER NOT NULL,
  expires_at    INTEGER,
  pruned_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_topic ON message (topic, seq, priority, expires_at, superseded_by);
CREATE INDEX message_key ON message (key, seq) WHERE key IS NOT NULL;

CREATE TABLE recipient (
  user INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  PRIMARY KEY (user, seq)
) STRICT, WITHOUT ROWID;

-- Everything in the log that is not a message. What a, b, c and data are depends on the kind.
CREATE TABLE entry (
  seq  INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  a    INTEGER,
  b    INTEGER,
  c    INTEGER,
  d    INTEGER,
  data ANY
) STRICT;
-- Kind 5 is a person's read or acknowledgement: a is the person.
CREATE INDEX entry_state ON entry (a, seq) WHERE kind = 5;

CREATE TABLE idempotency (
  token      INTEGER NOT NULL,
  key        TEXT    NOT NULL,
  request    BLOB    NOT NULL,
  published  TEXT    NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE device (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  user         INTEGER NOT NULL REFERENCES user (id),
  name         TEXT    NOT NULL,
  position     INTEGER,          -- the last position acknowledged
  claimed      INTEGER NOT NULL, -- claims start after this
  last_seen_at INTEGER,
  created_at   INTEGER NOT NULL,
  removed_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX device_name ON device (user, name);

-- What a device takes from from_seq (exclusive) on; no row: all topics. Topics as JSON ids, null: all.
CREATE TABLE filter (
  device   INTEGER NOT NULL REFERENCES device (id),
  from_seq INTEGER NOT NULL,
  topics   TEXT,
  PRIMARY KEY (device, from_seq)
) STRICT, WITHOUT ROWID;

-- Stretches stored by a device: from_seq < s <= to_seq. Rows of one device never overlap.
CREATE TABLE ack (
  device   INTEGER NOT NULL,
  to_seq   INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (device, to_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX ack_at ON ack (at);

-- Stretches handed to a device that keeps no cursor. Rows of one device never overlap.
CREATE TABLE claim (
  device   INTEGER NOT NULL,
  to_seq   INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  id       INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (device, to_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_id ON claim (id);
CREATE INDEX claim_at ON claim (at);

-- What a person was still owed when they left: by_seq is the entry that took it from them.
CREATE TABLE withdrawn (
  seq    INTEGER NOT NULL,
  user   INTEGER NOT NULL,
  by_seq INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (seq, user)
) STRICT, WITHOUT ROWID;

-- Reads and acknowledgements. read_at is null where an acknowledgement was only carried over.
CREATE TABLE press (
  seq             INTEGER NOT NULL,
  user            INTEGER NOT NULL,
  read_at         INTEGER,
  acknowledged_at INTEGER,
  PRIMARY KEY (seq, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE shown (
  seq    INTEGER NOT NULL,
  device INTEGER NOT NULL,
  shown  INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (seq, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  hash         BLOB    NOT NULL UNIQUE,
  sender       INTEGER NOT NULL,
  name         TEXT    NOT NULL,
  user         INTEGER REFERENCES user (id),
  topics       TEXT    NOT NULL,
  device       TEXT,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,
  last_used_at INTEGER,
  revoked_at   INTEGER
) STRICT;
CREATE INDEX token_user ON token (user);

CREATE TABLE session (
  hash       BLOB    PRIMARY KEY,
  user       INTEGER NOT NULL REFERENCES user (id),
  token      INTEGER REFERENCES token (id),
  idle_ms    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invite (
  hash       BLOB    PRIMARY KEY,
  user       TEXT,
  admin      INTEGER NOT NULL,
  topics     TEXT    NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;
