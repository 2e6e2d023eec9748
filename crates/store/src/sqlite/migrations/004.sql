-- Why the platform did not reach a person last time, until it takes a message for them again.
ALTER TABLE binding ADD COLUMN flagged TEXT;
