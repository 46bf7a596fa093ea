-- What the scheduler needs while Polar's notifications fail, and to find kinds that nobody planned.

-- Since when the notifications fail; null while they work.
ALTER TABLE polar_sync.pace ADD COLUMN notifications_failing_since timestamptz;

-- A kind without a time was put aside with its connection, or is not synced; it is planned again
-- when neither is so any more.
CREATE INDEX kind_state_unplanned ON polar_sync.kind_state (kind, connection_id) WHERE next_due_at IS NULL;
