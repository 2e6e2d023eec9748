-- What a person never got because it was pruned first. An acknowledgement is a range and may cover it afterwards, in
-- between what came before and what came after; that does not make it received.
CREATE TABLE lost (
  seq  INTEGER NOT NULL,
  user INTEGER NOT NULL,
  PRIMARY KEY (seq, user)
) STRICT, WITHOUT ROWID;

-- The name of a removed device is free again; its row stays, because receipts speak of it.
DROP INDEX device_name;
CREATE UNIQUE INDEX device_name ON device (user, name) WHERE removed_at IS NULL;
CREATE INDEX device_user ON device (user);
