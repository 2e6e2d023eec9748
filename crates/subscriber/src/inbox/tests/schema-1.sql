CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- `n` is the order of arrival. It is what pages count in: positions of the log start anew with each epoch.
CREATE TABLE message (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    topic TEXT,
    priority INTEGER NOT NULL,
    wants_acknowledgement INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    stored_at INTEGER NOT NULL,
    superseded_by TEXT,
    read_at INTEGER,
    acknowledged_at INTEGER,
    shown INTEGER NOT NULL,
    shown_at INTEGER,
    reported INTEGER NOT NULL DEFAULT 0,
    restored INTEGER NOT NULL DEFAULT 0,
    json TEXT NOT NULL
);
CREATE INDEX message_thread ON message (thread);
CREATE INDEX message_unread ON message (expires_at) WHERE read_at IS NULL AND superseded_by IS NULL;
CREATE INDEX message_pending ON message (n) WHERE shown = 0;
CREATE INDEX message_unreported ON message (n) WHERE reported = 0 AND shown > 0;

-- Presses that the server has not been told of, with the time they were pressed.
CREATE TABLE press (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    acknowledge INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (id, acknowledge)
);

-- Publishes that the server has not taken.
CREATE TABLE spool (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    publish TEXT NOT NULL,
    queued_at INTEGER NOT NULL
);

PRAGMA user_version = 1;
INSERT INTO meta VALUES ('server', 'https://10.0.0.5:8723'), ('user', 'ana'), ('position', 'k3v9x0ab-2');
INSERT INTO message (id, thread, topic, priority, wants_acknowledgement, created_at, stored_at, read_at, shown, reported, json)
VALUES
    ('AAAAAAAAAAAA', 'AAAAAAAAAAAA', 'ops', 5, 1, 1800000000000, 1800000000000, 1800000000000, 3, 1,
     '{"id":"AAAAAAAAAAAA","cursor":"k3v9x0ab-1","topic":"ops","sender":"ci","title":"read","format":"text","priority":5,"thread":"AAAAAAAAAAAA","created_at":1800000000000}'),
    ('BBBBBBBBBBBB', 'BBBBBBBBBBBB', 'ops', 5, 1, 1800000000000, 1800000000000, NULL, 0, 0,
     '{"id":"BBBBBBBBBBBB","cursor":"k3v9x0ab-2","topic":"ops","sender":"ci","title":"pending","format":"text","priority":5,"thread":"BBBBBBBBBBBB","created_at":1800000000000}');
INSERT INTO press (id, acknowledge, at) VALUES ('AAAAAAAAAAAA', 0, 1800000000000);
INSERT INTO spool (key, publish, queued_at) VALUES ('key-1', '{"topic":"ops","title":"waits"}', 1800000000000);
