-- What the scheduler needs while Polar's notifications fail, and to find kinds that nobody planned; and
-- words of the views that became more exact.

-- Since when the notifications fail; null while they work.
ALTER TABLE polar_sync.pace ADD COLUMN notifications_failing_since timestamptz;

-- A kind without a time was put aside with its connection, or is not synced; it is planned again
-- when neither is so any more.
CREATE INDEX kind_state_unplanned ON polar_sync.kind_state (kind, connection_id) WHERE next_due_at IS NULL;

-- The unit of cumulative distance is written like those of our other series.
UPDATE polar_sync.series_type SET unit = 'm' WHERE series = 'distance';

COMMENT ON COLUMN api_v1.workouts.samples_state IS
    'stored, absent (Polar has none for now, or what it has cannot be read yet), not_requested or gone (Polar no longer has it).';
COMMENT ON COLUMN api_v1.daily_activities.step_samples_state IS
    'stored, absent (Polar has none for now, or what it has cannot be read yet), not_requested or gone (Polar no longer has it).';
