-- Delivery over channels. No secret is ever stored here.
-- Rows of `channel` and `lane` are never deleted, only marked, because deliveries speak of them.

CREATE TABLE channel (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT    NOT NULL,
  kind         INTEGER NOT NULL,
  display_name TEXT    NOT NULL,
  config       TEXT    NOT NULL,
  enabled      INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  removed_at   INTEGER,
  -- The breaker and the retry budget: see outbox/health.rs.
  fails        INTEGER NOT NULL DEFAULT 0,
  opens        INTEGER NOT NULL DEFAULT 0,
  open_until   INTEGER NOT NULL DEFAULT 0,
  probe_until  INTEGER NOT NULL DEFAULT 0,
  code         TEXT,
  reason       TEXT,
  budget       REAL    NOT NULL,
  budget_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX channel_name ON channel (name) WHERE removed_at IS NULL;

-- One recipient of one channel: what rate limits and order are about. At most one request of a lane runs at a time.
CREATE TABLE lane (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  channel INTEGER NOT NULL REFERENCES channel (id),
  address TEXT    NOT NULL,            -- empty: the group behind the channel
  due_at  INTEGER,                     -- no work before this; while leased: the end of the lease
  free_at INTEGER NOT NULL DEFAULT 0,  -- the rate limit holds until then
  leased  INTEGER NOT NULL DEFAULT 0,
  leases  INTEGER NOT NULL DEFAULT 0,  -- how often leased: the last one's token
  UNIQUE (channel, address)
) STRICT;
CREATE INDEX lane_due ON lane (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_leased ON lane (channel) WHERE leased = 1;

CREATE TABLE binding (
  channel  INTEGER NOT NULL REFERENCES channel (id),
  user     INTEGER NOT NULL REFERENCES user (id),
  address  TEXT    NOT NULL,
  lane     INTEGER,                    -- null at a group channel: the address is for mentions only
  bound_at INTEGER NOT NULL,
  broken   TEXT,
  PRIMARY KEY (channel, user)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX binding_address ON binding (channel, address);

-- 0: whatever topic, whoever.
CREATE TABLE route (
  channel       INTEGER NOT NULL REFERENCES channel (id),
  topic         INTEGER NOT NULL,
  user          INTEGER NOT NULL,
  from_priority INTEGER,
  PRIMARY KEY (channel, topic, user)
) STRICT, WITHOUT ROWID;

-- No foreign keys: rows are written in the publish transaction.
CREATE TABLE delivery (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  seq          INTEGER NOT NULL,       -- 0: a digest
  user         INTEGER NOT NULL,       -- 0: a group
  channel      INTEGER NOT NULL,
  lane         INTEGER NOT NULL,
  state        INTEGER NOT NULL,
  due_at       INTEGER NOT NULL,
  give_up_at   INTEGER NOT NULL,
  expires      INTEGER NOT NULL,       -- giving up means that the message expired
  content      INTEGER NOT NULL,       -- fingerprint of what a person would see
  intent       INTEGER NOT NULL DEFAULT 0, -- part of the idempotency key: grows when something that arrived is repeated
  round        INTEGER NOT NULL DEFAULT 0,
  attempts     INTEGER NOT NULL DEFAULT 0,
  busy         INTEGER NOT NULL DEFAULT 0, -- refusals of this round that asked for patience
  duplicates   INTEGER NOT NULL DEFAULT 0,
  unsure_at    INTEGER,                -- start of the first try that may have arrived
  last_attempt INTEGER,
  digest       INTEGER,
  body         TEXT,                   -- as rendered for the first try, byte for byte the same in the next
  code         TEXT,
  reason       TEXT,
  msgid        TEXT,
  created_at   INTEGER NOT NULL,
  since        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX delivery_message ON delivery (seq, user, channel) WHERE seq > 0;
-- State 0 is queued, 1 sending. Timers are found here; nothing scans the others.
CREATE INDEX delivery_due ON delivery (lane, due_at, id) WHERE state = 0;
CREATE INDEX delivery_give_up ON delivery (give_up_at) WHERE state = 0;
CREATE INDEX delivery_waits_for ON delivery (user) WHERE state = 0;
CREATE INDEX delivery_sending ON delivery (lane) WHERE state = 1;
CREATE INDEX delivery_state ON delivery (state, id, channel);
CREATE INDEX delivery_digest ON delivery (digest) WHERE digest IS NOT NULL;

CREATE TABLE attempt (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery   INTEGER NOT NULL,
  lane       INTEGER NOT NULL,
  round      INTEGER NOT NULL,
  content    INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at   INTEGER,
  result     INTEGER NOT NULL,
  code       TEXT,
  reason     TEXT,
  msgid      TEXT
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery);
-- What was sent to a lane lately: the rate limits are read off the ledger itself, so that they survive a restart.
CREATE INDEX attempt_lane ON attempt (lane, ended_at, result, content);
CREATE INDEX attempt_msgid ON attempt (msgid) WHERE msgid IS NOT NULL;

-- Confirmations that came before the answer to the request they confirm.
CREATE TABLE early (
  channel INTEGER NOT NULL,
  msgid   TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  failed  TEXT,
  PRIMARY KEY (channel, msgid)
) STRICT, WITHOUT ROWID;

-- The last alert per credential and cause.
CREATE TABLE alert (
  channel INTEGER NOT NULL,
  cause   TEXT    NOT NULL,
  at      INTEGER NOT NULL,
  held    INTEGER NOT NULL,            -- like it since then
  PRIMARY KEY (channel, cause)
) STRICT, WITHOUT ROWID;
