-- A clock that an index can be searched for, what the scheduler needs while Polar's notifications fail and to
-- find kinds that nobody planned, and words of the views that became more exact.

-- STABLE, although time goes on while a statement runs: an index can be searched for it then. With a
-- volatile one, whoever asks for what is due reads everything that is not. PL/pgSQL, because it keeps
-- its plan for the session, where SQL is parsed and planned anew in every statement that asks.
CREATE OR REPLACE FUNCTION polar_sync.now() RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$ BEGIN RETURN clock_timestamp() + (SELECT shift FROM polar_sync.clock); END $$;

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
