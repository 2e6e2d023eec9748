-- Why the platform did not reach a person last time, until it takes a message for them again.
ALTER TABLE binding ADD COLUMN flagged TEXT;

-- A confirmation that asks for another try, and came before the answer to the request: not before then.
ALTER TABLE early ADD COLUMN again INTEGER;
