-- Escalation: what is done while nobody answers, and what is told of a message's receipt.

CREATE TABLE policy (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT    NOT NULL,
  display_name TEXT    NOT NULL,
  config       TEXT    NOT NULL,   -- steps and quiet hours as JSON
  created_at   INTEGER NOT NULL,
  removed_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX policy_name ON policy (name) WHERE removed_at IS NULL;

ALTER TABLE topic ADD COLUMN policy INTEGER;
-- The dead-man switch: expected_by is null while the topic is silent, silence is the position of the message that says so.
ALTER TABLE topic ADD COLUMN expect_every_ms INTEGER;
ALTER TABLE topic ADD COLUMN expected_by INTEGER;
ALTER TABLE topic ADD COLUMN silent_since INTEGER;
ALTER TABLE topic ADD COLUMN silence INTEGER;
CREATE INDEX topic_expected ON topic (expected_by) WHERE expected_by IS NOT NULL;
-- It speaks again, and nobody was told yet.
CREATE INDEX topic_spoke ON topic (id) WHERE silence IS NOT NULL AND silent_since IS NULL;

-- A copy that an escalation made for somebody outside the audience: of this message.
ALTER TABLE message ADD COLUMN escalates INTEGER;
-- Receipts of what one sent, newest first.
CREATE INDEX message_user ON message (user, seq) WHERE user IS NOT NULL;
CREATE INDEX message_token ON message (token, seq);
CREATE INDEX message_escalates ON message (escalates) WHERE escalates IS NOT NULL;

-- Kind 5: b is when somebody is to be reminded; with `by`, when that person took care of it for all.
ALTER TABLE entry ADD COLUMN by TEXT;

CREATE TABLE escalation (
  seq      INTEGER PRIMARY KEY,   -- of the message
  policy   TEXT    NOT NULL,
  config   TEXT    NOT NULL,      -- as it was when the message was stored
  base     INTEGER NOT NULL,      -- steps count from here
  step     INTEGER NOT NULL,      -- the next one; as many as there are: the end
  repeat   INTEGER NOT NULL,
  told     TEXT NOT NULL,         -- of each list, by the first step that has it: how many were told
  since    INTEGER NOT NULL,      -- when due_at was set
  due_at   INTEGER,               -- null: it is over
  state    INTEGER NOT NULL,
  ended_at INTEGER,
  ended_by INTEGER
) STRICT;
CREATE INDEX escalation_due ON escalation (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE step_run (
  id      INTEGER PRIMARY KEY,
  seq     INTEGER NOT NULL,
  step    INTEGER NOT NULL,
  repeat  INTEGER NOT NULL,
  due_at  INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  people  TEXT    NOT NULL,       -- user ids as JSON
  via     TEXT    NOT NULL        -- ways as JSON
) STRICT;
CREATE INDEX step_run_seq ON step_run (seq);

-- The last time a message was shown or sent to somebody again over a way: a channel's name, or desktop.
CREATE TABLE remind (
  seq  INTEGER NOT NULL,
  user INTEGER NOT NULL,
  way  TEXT    NOT NULL,
  at   INTEGER NOT NULL,
  PRIMARY KEY (seq, user, way)
) STRICT, WITHOUT ROWID;

-- What is to be told to a webhook. due_at: when the message expires.
CREATE TABLE report (
  seq       INTEGER NOT NULL,
  milestone INTEGER NOT NULL,
  channel   INTEGER NOT NULL,
  due_at    INTEGER,
  done      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (seq, milestone)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_open ON report (seq) WHERE done = 0;
CREATE INDEX report_due ON report (due_at) WHERE done = 0 AND due_at IS NOT NULL;

-- what: 0 is the message, above it a report of a milestone. by_step: an escalation or a person asked for this round.
-- mentions: of a group, only these people (user ids as JSON). also: people that were asked for while it was on its way, who
-- are mentioned once it is over.
ALTER TABLE delivery ADD COLUMN what INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN by_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN mentions TEXT;
ALTER TABLE delivery ADD COLUMN also TEXT;
DROP INDEX delivery_message;
CREATE UNIQUE INDEX delivery_message ON delivery (seq, user, channel, what) WHERE seq > 0;
