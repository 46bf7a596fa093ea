-- The normalized records, and the schema api_v1 through which other services read them.
--
-- The tables are private: a reader uses the views, which only ever gain columns. A record has a
-- revision that grows with every change a reader can see. Hashes tell what is stored, where that is
-- not read back to compare it, so that the same data offered again writes nothing.

-- How readers find a user, whatever became of the connection.
CREATE INDEX connection_every_user ON polar_sync.connection (user_id);
-- How the sweep finds out whether a body is still in use.
CREATE INDEX raw_item_body ON polar_sync.raw_item (connection_id, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX quarantine_body ON polar_sync.quarantine (connection_id, sha256);

-- The raw items that only their age keeps: neither beside a part in quarantine, nor of an AccessLink
-- transaction that is not over.
CREATE VIEW polar_sync.raw_item_disposable AS
SELECT i.*
FROM polar_sync.raw_item i
WHERE NOT EXISTS (
        SELECT FROM polar_sync.quarantine q
        WHERE q.connection_id = i.connection_id AND q.kind = i.kind AND q.item = i.item
            AND q.version = i.version)
    AND NOT EXISTS (
        SELECT FROM polar_sync.remote_transaction t
        WHERE t.connection_id = i.connection_id AND t.kind = i.kind AND i.item = ANY (t.items)
            AND t.phase IN ('opening', 'open', 'durable', 'committing', 'blocked'));

CREATE TABLE polar_sync.workout (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    -- The id in exercise transactions and the id of /v3/exercises: two sources of one workout.
    polar_id bigint,
    polar_hashed_id text,
    -- The version: the newest upload time of either source.
    uploaded_at timestamptz NOT NULL,
    type text NOT NULL,
    polar_sport text,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    utc_offset_minutes smallint,
    duration_s double precision NOT NULL,
    distance_m double precision,
    calories_kcal integer,
    heart_rate_avg_bpm smallint,
    heart_rate_max_bpm smallint,
    training_load double precision,
    running_index integer,
    device text,
    device_id text,
    has_route boolean NOT NULL,
    fat_percentage smallint,
    carbohydrate_percentage smallint,
    protein_percentage smallint,
    club_id bigint,
    club_name text,
    cardio_load double precision,
    muscle_load double precision,
    perceived_load double precision,
    cardio_load_interpretation text,
    muscle_load_interpretation text,
    perceived_load_interpretation text,
    user_rpe text,
    samples_state text NOT NULL CHECK (samples_state IN ('stored', 'absent', 'not_requested', 'gone')),
    zones_state text NOT NULL CHECK (zones_state IN ('stored', 'absent', 'not_requested', 'gone')),
    route_state text NOT NULL CHECK (route_state IN ('stored', 'absent', 'not_requested', 'gone')),
    samples_hash bytea,
    zones_hash bytea,
    route_hash bytea,
    -- Whether an exercise transaction gave the part: it knows better than /v3/exercises.
    samples_transactional boolean NOT NULL,
    zones_transactional boolean NOT NULL,
    route_transactional boolean NOT NULL,
    revision integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);
CREATE UNIQUE INDEX workout_polar_id ON polar_sync.workout (connection_id, polar_id)
    WHERE polar_id IS NOT NULL;
CREATE UNIQUE INDEX workout_polar_hashed_id ON polar_sync.workout (connection_id, polar_hashed_id)
    WHERE polar_hashed_id IS NOT NULL;
CREATE INDEX workout_start ON polar_sync.workout (connection_id, start_at);

CREATE TABLE polar_sync.workout_zone (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    zone_index smallint NOT NULL,
    lower_bpm smallint NOT NULL,
    upper_bpm smallint NOT NULL,
    in_zone_s double precision NOT NULL,
    PRIMARY KEY (connection_id, record_id, zone_index)
);

-- One row a route: the points as arrays of equal length.
CREATE TABLE polar_sync.route (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    -- The first point that has a time; offsets_ms count from it.
    started_at timestamptz,
    offsets_ms integer[] COMPRESSION lz4,
    -- Ten-millionths of a degree, about a centimetre.
    latitudes_e7 integer[] COMPRESSION lz4 NOT NULL,
    longitudes_e7 integer[] COMPRESSION lz4 NOT NULL,
    altitudes_mm integer[] COMPRESSION lz4,
    PRIMARY KEY (connection_id, record_id)
);

-- The units that readers see; the same words as SeriesType in src/model/record.rs.
CREATE TABLE polar_sync.series_type (
    series text PRIMARY KEY,
    unit text NOT NULL
);
INSERT INTO polar_sync.series_type (series, unit) VALUES
    ('heart_rate', 'bpm'),
    ('speed', 'm_per_s'),
    ('cadence', 'rpm'),
    ('elevation', 'meters'),
    ('power', 'watts'),
    ('pedalling_index', 'percent'),
    ('left_right_balance', 'percent'),
    ('air_pressure', 'hPa'),
    ('running_cadence', 'spm'),
    ('air_temperature', 'celsius'),
    ('distance', 'm'),
    ('rr_interval', 'ms'),
    ('heart_rate_variability_rmssd', 'ms'),
    ('respiratory_rate', 'brpm'),
    ('steps', 'count');

-- One row a chunk of a series; see src/store/records/chunk.rs for how a series becomes chunks.
CREATE TABLE polar_sync.series (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    -- Place of the chunk among those of its record.
    position integer NOT NULL,
    series text NOT NULL,
    started_at timestamptz NOT NULL,
    -- The instant of the last sample.
    ended_at timestamptz NOT NULL,
    utc_offset_minutes smallint,
    -- Samples stand either every interval_ms from started_at, or at offsets_ms from it.
    interval_ms integer,
    offsets_ms integer[] COMPRESSION lz4,
    -- What a reader sees is value / divisor; NULL is a gap. One of the four arrays is set: the
    -- smallest that holds every value exactly.
    divisor double precision NOT NULL,
    values_small smallint[] COMPRESSION lz4,
    values_wide integer[] COMPRESSION lz4,
    values_single real[] COMPRESSION lz4,
    values_double double precision[] COMPRESSION lz4,
    content_hash bytea NOT NULL,
    PRIMARY KEY (connection_id, record_id, position),
    CHECK (num_nonnulls(interval_ms, offsets_ms) = 1),
    CHECK (num_nonnulls(values_small, values_wide, values_single, values_double) = 1),
    -- api_v1.timeseries_between finds chunks by this promise.
    CHECK (ended_at BETWEEN started_at AND started_at + interval '26 hours')
);
CREATE INDEX series_range ON polar_sync.series (connection_id, series, started_at);

CREATE TABLE polar_sync.sleep (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    date date NOT NULL,
    -- The version: when the fetch began.
    fetched_at timestamptz NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    utc_offset_minutes smallint,
    light_s integer,
    deep_s integer,
    rem_s integer,
    unrecognized_s integer,
    interruption_s integer,
    short_interruption_s integer,
    long_interruption_s integer,
    score smallint,
    continuity double precision,
    continuity_class smallint,
    cycles smallint,
    sleep_charge smallint,
    rating smallint,
    goal_s integer,
    duration_score double precision,
    solidity_score double precision,
    regeneration_score double precision,
    device_id text,
    content_hash bytea NOT NULL,
    revision integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);
CREATE UNIQUE INDEX sleep_date ON polar_sync.sleep (connection_id, date);

CREATE TABLE polar_sync.sleep_stage (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    -- Place of the interval in the night.
    position integer NOT NULL,
    stage text NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id, position)
);

CREATE TABLE polar_sync.nightly_recharge (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    date date NOT NULL,
    -- The version: when the fetch began.
    fetched_at timestamptz NOT NULL,
    utc_offset_minutes smallint,
    hrv_rmssd_ms integer,
    breathing_rate_brpm double precision,
    heart_rate_avg_bpm smallint,
    beat_to_beat_avg_ms integer,
    ans_charge double precision,
    ans_charge_status smallint,
    status smallint,
    content_hash bytea NOT NULL,
    revision integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);
CREATE UNIQUE INDEX nightly_recharge_date ON polar_sync.nightly_recharge (connection_id, date);

CREATE TABLE polar_sync.daily_activity (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    date date NOT NULL,
    -- The same day is offered again under another id as it goes on; the latest created one wins.
    polar_id bigint NOT NULL,
    -- The version.
    created_at timestamptz NOT NULL,
    calories_kcal integer,
    active_calories_kcal integer,
    active_s double precision,
    steps integer,
    step_samples_state text NOT NULL
        CHECK (step_samples_state IN ('stored', 'absent', 'not_requested', 'gone')),
    zone_samples_state text NOT NULL
        CHECK (zone_samples_state IN ('stored', 'absent', 'not_requested', 'gone')),
    content_hash bytea NOT NULL,
    step_samples_hash bytea,
    zone_samples_hash bytea,
    revision integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);
CREATE UNIQUE INDEX daily_activity_date ON polar_sync.daily_activity (connection_id, date);

-- One row a day: the samples as arrays of equal length.
CREATE TABLE polar_sync.activity_zone_sample (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    starts_at timestamptz[] COMPRESSION lz4 NOT NULL,
    zones text[] COMPRESSION lz4 NOT NULL,
    in_zone_s double precision[] COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);

CREATE TABLE polar_sync.physical_information (
    connection_id uuid NOT NULL,
    record_id uuid NOT NULL,
    polar_id bigint NOT NULL,
    -- The version.
    recorded_at timestamptz NOT NULL,
    weight_kg double precision,
    height_cm double precision,
    resting_heart_rate_bpm smallint,
    max_heart_rate_bpm smallint,
    aerobic_threshold_bpm smallint,
    anaerobic_threshold_bpm smallint,
    vo2_max smallint,
    weight_source text,
    content_hash bytea NOT NULL,
    revision integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, record_id)
);
CREATE UNIQUE INDEX physical_information_polar_id
    ON polar_sync.physical_information (connection_id, polar_id);
CREATE INDEX physical_information_recorded
    ON polar_sync.physical_information (connection_id, recorded_at);

CREATE SCHEMA api_v1;
COMMENT ON SCHEMA api_v1 IS
    'What other services read. Columns are only ever added; instants are timestamptz, and utc_offset_minutes keeps local time where Polar gives it.';

CREATE VIEW api_v1.connections AS
SELECT c.user_id, c.polar_user_id, c.state, c.state_reason, c.state_since, c.connected_at,
    s.last_success_at,
    (SELECT min(k.next_due_at) FROM polar_sync.kind_state k WHERE k.connection_id = c.connection_id)
        AS next_due_at
FROM polar_sync.connection c
JOIN polar_sync.sync_state s USING (connection_id)
WHERE c.ended_at IS NULL AND c.state <> 'erased';
COMMENT ON VIEW api_v1.connections IS 'The ties between a platform''s users and their Polar accounts.';
COMMENT ON COLUMN api_v1.connections.user_id IS 'The platform''s own id of the user.';
COMMENT ON COLUMN api_v1.connections.polar_user_id IS 'Polar''s id of the user.';
COMMENT ON COLUMN api_v1.connections.state IS 'active, suspect, revoked, consent_required, expired, paused or erasing.';
COMMENT ON COLUMN api_v1.connections.state_reason IS 'Why it is in this state.';
COMMENT ON COLUMN api_v1.connections.state_since IS 'When it came into this state.';
COMMENT ON COLUMN api_v1.connections.connected_at IS 'When the user gave consent.';
COMMENT ON COLUMN api_v1.connections.last_success_at IS 'When a sync last succeeded.';
COMMENT ON COLUMN api_v1.connections.next_due_at IS 'When the first of its kinds is due next.';

CREATE VIEW api_v1.workouts AS
SELECT c.user_id, w.record_id AS workout_id, w.polar_id, w.polar_hashed_id, w.type, w.polar_sport,
    w.start_at, w.end_at, w.utc_offset_minutes, w.duration_s, w.distance_m, w.calories_kcal,
    w.heart_rate_avg_bpm, w.heart_rate_max_bpm, w.training_load, w.running_index, w.device,
    w.has_route, w.samples_state, w.zones_state, w.route_state, w.revision, w.updated_at,
    w.uploaded_at, w.device_id, w.fat_percentage, w.carbohydrate_percentage, w.protein_percentage,
    w.club_id, w.club_name, w.cardio_load, w.muscle_load, w.perceived_load,
    w.cardio_load_interpretation, w.muscle_load_interpretation, w.perceived_load_interpretation,
    w.user_rpe
FROM polar_sync.workout w
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.workouts IS 'Training sessions, one row each, whichever of Polar''s two interfaces they came from.';
COMMENT ON COLUMN api_v1.workouts.user_id IS 'The platform''s own id of the user.';
COMMENT ON COLUMN api_v1.workouts.workout_id IS 'Made at the first insert; the record_id of changes.';
COMMENT ON COLUMN api_v1.workouts.polar_id IS 'Id in exercise transactions.';
COMMENT ON COLUMN api_v1.workouts.polar_hashed_id IS 'Id at /v3/exercises.';
COMMENT ON COLUMN api_v1.workouts.type IS 'The common workout type, for example running.';
COMMENT ON COLUMN api_v1.workouts.polar_sport IS 'Polar''s detailed sport code, else the coarse one.';
COMMENT ON COLUMN api_v1.workouts.start_at IS 'Start.';
COMMENT ON COLUMN api_v1.workouts.end_at IS 'End.';
COMMENT ON COLUMN api_v1.workouts.utc_offset_minutes IS 'Local time minus UTC at the start.';
COMMENT ON COLUMN api_v1.workouts.duration_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.workouts.distance_m IS 'Metres; null where not measured.';
COMMENT ON COLUMN api_v1.workouts.calories_kcal IS 'Kilocalories.';
COMMENT ON COLUMN api_v1.workouts.heart_rate_avg_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.workouts.heart_rate_max_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.workouts.training_load IS 'Polar''s training load.';
COMMENT ON COLUMN api_v1.workouts.running_index IS 'Polar''s running index.';
COMMENT ON COLUMN api_v1.workouts.device IS 'Product name of the device.';
COMMENT ON COLUMN api_v1.workouts.has_route IS 'Whether Polar has a route.';
COMMENT ON COLUMN api_v1.workouts.samples_state IS 'stored, absent (Polar has none for now, or what it has cannot be read yet), not_requested or gone (Polar no longer has it).';
COMMENT ON COLUMN api_v1.workouts.zones_state IS 'As samples_state.';
COMMENT ON COLUMN api_v1.workouts.route_state IS 'As samples_state.';
COMMENT ON COLUMN api_v1.workouts.revision IS 'From 1; grows with every change of the workout or its parts.';
COMMENT ON COLUMN api_v1.workouts.updated_at IS 'When this revision was stored.';
COMMENT ON COLUMN api_v1.workouts.uploaded_at IS 'When it was uploaded to Polar.';
COMMENT ON COLUMN api_v1.workouts.device_id IS 'Id of the device.';
COMMENT ON COLUMN api_v1.workouts.fat_percentage IS 'Percent of the calories.';
COMMENT ON COLUMN api_v1.workouts.carbohydrate_percentage IS 'Percent of the calories.';
COMMENT ON COLUMN api_v1.workouts.protein_percentage IS 'Percent of the calories.';
COMMENT ON COLUMN api_v1.workouts.club_id IS 'From Flow for Club.';
COMMENT ON COLUMN api_v1.workouts.club_name IS 'From Flow for Club.';
COMMENT ON COLUMN api_v1.workouts.cardio_load IS 'Training Load Pro: TRIMP.';
COMMENT ON COLUMN api_v1.workouts.muscle_load IS 'Training Load Pro: kilojoules.';
COMMENT ON COLUMN api_v1.workouts.perceived_load IS 'Training Load Pro.';
COMMENT ON COLUMN api_v1.workouts.cardio_load_interpretation IS 'Polar''s code, for example VERY_HIGH.';
COMMENT ON COLUMN api_v1.workouts.muscle_load_interpretation IS 'Polar''s code.';
COMMENT ON COLUMN api_v1.workouts.perceived_load_interpretation IS 'Polar''s code.';
COMMENT ON COLUMN api_v1.workouts.user_rpe IS 'Polar''s code of the user''s rating of perceived exertion.';

CREATE VIEW api_v1.workout_zones AS
SELECT c.user_id, z.record_id AS workout_id, z.zone_index, z.lower_bpm, z.upper_bpm, z.in_zone_s
FROM polar_sync.workout_zone z
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.workout_zones IS 'Time in heart-rate zones.';
COMMENT ON COLUMN api_v1.workout_zones.zone_index IS 'Rank by lower bound, from 1.';
COMMENT ON COLUMN api_v1.workout_zones.lower_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.workout_zones.upper_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.workout_zones.in_zone_s IS 'Seconds.';

CREATE VIEW api_v1.workout_route AS
SELECT c.user_id, r.record_id AS workout_id, p.seq::integer AS seq,
    r.started_at + p.offset_ms * interval '1 millisecond' AS at,
    p.latitude_e7 / 1e7::double precision AS latitude,
    p.longitude_e7 / 1e7::double precision AS longitude,
    p.altitude_mm / 1e3::double precision AS altitude_m
FROM polar_sync.route r
JOIN polar_sync.connection c USING (connection_id)
CROSS JOIN LATERAL unnest(r.latitudes_e7, r.longitudes_e7, r.altitudes_mm, r.offsets_ms)
    WITH ORDINALITY AS p (latitude_e7, longitude_e7, altitude_mm, offset_ms, seq);
COMMENT ON VIEW api_v1.workout_route IS 'The points of routes.';
COMMENT ON COLUMN api_v1.workout_route.seq IS 'Place of the point in its route, from 1.';
COMMENT ON COLUMN api_v1.workout_route.at IS 'When it was passed; null where the source has no time.';
COMMENT ON COLUMN api_v1.workout_route.latitude IS 'Degrees (WGS 84), to a ten-millionth.';
COMMENT ON COLUMN api_v1.workout_route.longitude IS 'Degrees (WGS 84), to a ten-millionth.';
COMMENT ON COLUMN api_v1.workout_route.altitude_m IS 'Metres, to a millimetre.';

CREATE VIEW api_v1.timeseries AS
SELECT c.user_id, s.series AS type,
    s.started_at + COALESCE(v.offset_ms, (v.place - 1) * s.interval_ms) * interval '1 millisecond' AS at,
    v.value / s.divisor AS value,
    t.unit, s.utc_offset_minutes, s.record_id
FROM polar_sync.series s
JOIN polar_sync.series_type t USING (series)
JOIN polar_sync.connection c USING (connection_id)
CROSS JOIN LATERAL unnest(
    COALESCE(s.values_small::double precision[], s.values_wide::double precision[],
        s.values_single::double precision[], s.values_double),
    s.offsets_ms) WITH ORDINALITY AS v (value, offset_ms, place)
WHERE v.value IS NOT NULL;
COMMENT ON VIEW api_v1.timeseries IS 'One row a sample, none for a gap. For a long range use timeseries_between.';
COMMENT ON COLUMN api_v1.timeseries.type IS 'What is measured, for example heart_rate.';
COMMENT ON COLUMN api_v1.timeseries.at IS 'The instant of the sample.';
COMMENT ON COLUMN api_v1.timeseries.value IS 'The value in the unit beside it.';
COMMENT ON COLUMN api_v1.timeseries.unit IS 'The same for all samples of a type.';
COMMENT ON COLUMN api_v1.timeseries.utc_offset_minutes IS 'Local time minus UTC; null where Polar gives none.';
COMMENT ON COLUMN api_v1.timeseries.record_id IS 'The workout, night or day that it belongs to.';

CREATE FUNCTION api_v1.timeseries_between(user_id text, types text[], "from" timestamptz, "to" timestamptz)
RETURNS SETOF api_v1.timeseries
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
ROWS 100000
AS $$
    SELECT c.user_id, s.series, p.at, v.value / s.divisor, t.unit, s.utc_offset_minutes, s.record_id
    FROM polar_sync.connection c
    JOIN polar_sync.series s USING (connection_id)
    JOIN polar_sync.series_type t USING (series)
    CROSS JOIN LATERAL unnest(
        COALESCE(s.values_small::double precision[], s.values_wide::double precision[],
            s.values_single::double precision[], s.values_double),
        s.offsets_ms) WITH ORDINALITY AS v (value, offset_ms, place)
    CROSS JOIN LATERAL (SELECT s.started_at
        + COALESCE(v.offset_ms, (v.place - 1) * s.interval_ms) * interval '1 millisecond' AS at) p
    WHERE c.user_id = $1
        AND s.series = ANY (COALESCE($2, ARRAY(SELECT every.series FROM polar_sync.series_type every)))
        -- No chunk is longer than 26 hours: the index on the start finds those that reach into the range.
        AND s.started_at >= COALESCE($3, '-infinity') - interval '26 hours'
        AND s.started_at < COALESCE($4, 'infinity')
        AND s.ended_at >= COALESCE($3, '-infinity')
        AND p.at >= COALESCE($3, '-infinity')
        AND p.at < COALESCE($4, 'infinity')
        AND v.value IS NOT NULL
$$;
COMMENT ON FUNCTION api_v1.timeseries_between IS
    'The rows of timeseries of a user with from <= at < to, in no order; null types mean every type, a null bound none.';

CREATE VIEW api_v1.sleeps AS
SELECT c.user_id, s.record_id AS sleep_id, s.date, s.start_at, s.end_at, s.utc_offset_minutes,
    s.light_s, s.deep_s, s.rem_s, s.unrecognized_s, s.interruption_s, s.score,
    s.short_interruption_s, s.long_interruption_s, s.continuity, s.continuity_class, s.cycles,
    s.sleep_charge, s.rating, s.goal_s, s.duration_score, s.solidity_score, s.regeneration_score,
    s.device_id, s.revision, s.updated_at
FROM polar_sync.sleep s
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.sleeps IS 'Nights, one row each.';
COMMENT ON COLUMN api_v1.sleeps.sleep_id IS 'Made at the first insert; the record_id of changes.';
COMMENT ON COLUMN api_v1.sleeps.date IS 'The date of waking up.';
COMMENT ON COLUMN api_v1.sleeps.start_at IS 'Falling asleep.';
COMMENT ON COLUMN api_v1.sleeps.end_at IS 'Waking up.';
COMMENT ON COLUMN api_v1.sleeps.utc_offset_minutes IS 'Local time minus UTC at the begin.';
COMMENT ON COLUMN api_v1.sleeps.light_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.sleeps.deep_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.sleeps.rem_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.sleeps.unrecognized_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.sleeps.interruption_s IS 'Seconds, short and long interruptions together.';
COMMENT ON COLUMN api_v1.sleeps.score IS '1 to 100.';
COMMENT ON COLUMN api_v1.sleeps.short_interruption_s IS 'Seconds, of interruptions under 90 s.';
COMMENT ON COLUMN api_v1.sleeps.long_interruption_s IS 'Seconds, of interruptions of 90 s and more.';
COMMENT ON COLUMN api_v1.sleeps.continuity IS '1.0 to 5.0.';
COMMENT ON COLUMN api_v1.sleeps.continuity_class IS '1 (fragmented) to 5 (very continuous).';
COMMENT ON COLUMN api_v1.sleeps.cycles IS 'Number of sleep cycles.';
COMMENT ON COLUMN api_v1.sleeps.sleep_charge IS '1 to 5.';
COMMENT ON COLUMN api_v1.sleeps.rating IS 'The user''s own rating, 1 to 5.';
COMMENT ON COLUMN api_v1.sleeps.goal_s IS 'Seconds.';
COMMENT ON COLUMN api_v1.sleeps.duration_score IS '1 to 100.';
COMMENT ON COLUMN api_v1.sleeps.solidity_score IS '1 to 100.';
COMMENT ON COLUMN api_v1.sleeps.regeneration_score IS '1 to 100.';
COMMENT ON COLUMN api_v1.sleeps.revision IS 'From 1; grows with every change of the night, its stages or its series.';

CREATE VIEW api_v1.sleep_stages AS
SELECT c.user_id, s.record_id AS sleep_id, s.stage, s.start_at, s.end_at
FROM polar_sync.sleep_stage s
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.sleep_stages IS 'The hypnogram as intervals.';
COMMENT ON COLUMN api_v1.sleep_stages.stage IS 'awake, rem, light, deep or unknown.';
COMMENT ON COLUMN api_v1.sleep_stages.start_at IS 'Begin of the interval.';
COMMENT ON COLUMN api_v1.sleep_stages.end_at IS 'End of the interval.';

CREATE VIEW api_v1.nightly_recharges AS
SELECT c.user_id, n.record_id, n.date, n.hrv_rmssd_ms, n.breathing_rate_brpm, n.heart_rate_avg_bpm,
    n.ans_charge, n.status, n.ans_charge_status, n.beat_to_beat_avg_ms, n.utc_offset_minutes,
    n.revision, n.updated_at
FROM polar_sync.nightly_recharge n
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.nightly_recharges IS 'Recovery, one row a night.';
COMMENT ON COLUMN api_v1.nightly_recharges.record_id IS 'Made at the first insert; the record_id of changes.';
COMMENT ON COLUMN api_v1.nightly_recharges.date IS 'The date of waking up.';
COMMENT ON COLUMN api_v1.nightly_recharges.hrv_rmssd_ms IS 'Milliseconds (RMSSD), mean.';
COMMENT ON COLUMN api_v1.nightly_recharges.breathing_rate_brpm IS 'Breaths a minute, mean.';
COMMENT ON COLUMN api_v1.nightly_recharges.heart_rate_avg_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.nightly_recharges.ans_charge IS '-10.0 to +10.0; about 0 is usual.';
COMMENT ON COLUMN api_v1.nightly_recharges.status IS '1 (very poor) to 6 (very good).';
COMMENT ON COLUMN api_v1.nightly_recharges.ans_charge_status IS '1 to 5.';
COMMENT ON COLUMN api_v1.nightly_recharges.beat_to_beat_avg_ms IS 'Milliseconds.';
COMMENT ON COLUMN api_v1.nightly_recharges.utc_offset_minutes IS 'Local time minus UTC, of the night''s sleep.';

CREATE VIEW api_v1.daily_activities AS
SELECT c.user_id, d.record_id, d.date, d.steps, d.calories_kcal, d.active_calories_kcal, d.active_s,
    d.polar_id, d.created_at, d.step_samples_state, d.zone_samples_state, d.revision, d.updated_at
FROM polar_sync.daily_activity d
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.daily_activities IS 'Activity, one row a day; today''s is partial.';
COMMENT ON COLUMN api_v1.daily_activities.record_id IS 'Made at the first insert; the record_id of changes.';
COMMENT ON COLUMN api_v1.daily_activities.date IS 'The device''s local day.';
COMMENT ON COLUMN api_v1.daily_activities.steps IS 'Steps and step equivalents.';
COMMENT ON COLUMN api_v1.daily_activities.calories_kcal IS 'Kilocalories with basal metabolic rate.';
COMMENT ON COLUMN api_v1.daily_activities.active_calories_kcal IS 'Kilocalories without basal metabolic rate.';
COMMENT ON COLUMN api_v1.daily_activities.active_s IS 'Active seconds.';
COMMENT ON COLUMN api_v1.daily_activities.polar_id IS 'Id in activity transactions, of the latest offer.';
COMMENT ON COLUMN api_v1.daily_activities.created_at IS 'When Polar stored the latest offer.';
COMMENT ON COLUMN api_v1.daily_activities.step_samples_state IS 'stored, absent (Polar has none for now, or what it has cannot be read yet), not_requested or gone (Polar no longer has it).';
COMMENT ON COLUMN api_v1.daily_activities.zone_samples_state IS 'As step_samples_state.';

CREATE VIEW api_v1.activity_zones AS
SELECT c.user_id, a.record_id, p.at, p.zone, p.in_zone_s
FROM polar_sync.activity_zone_sample a
JOIN polar_sync.connection c USING (connection_id)
CROSS JOIN LATERAL unnest(a.starts_at, a.zones, a.in_zone_s) AS p (at, zone, in_zone_s);
COMMENT ON VIEW api_v1.activity_zones IS 'Time in activity zones within the intervals of a day.';
COMMENT ON COLUMN api_v1.activity_zones.record_id IS 'The day''s record_id in daily_activities.';
COMMENT ON COLUMN api_v1.activity_zones.at IS 'Begin of the interval.';
COMMENT ON COLUMN api_v1.activity_zones.zone IS 'rest, sedentary, light, moderate, vigorous, non_wear or unknown.';
COMMENT ON COLUMN api_v1.activity_zones.in_zone_s IS 'Seconds.';

CREATE VIEW api_v1.physical_information AS
SELECT c.user_id, p.record_id, p.recorded_at, p.weight_kg, p.height_cm, p.resting_heart_rate_bpm,
    p.max_heart_rate_bpm, p.vo2_max, p.aerobic_threshold_bpm, p.anaerobic_threshold_bpm,
    p.weight_source, p.polar_id, p.revision, p.updated_at
FROM polar_sync.physical_information p
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.physical_information IS 'Each state of a user''s physical information, in full.';
COMMENT ON COLUMN api_v1.physical_information.record_id IS 'Made at the first insert; the record_id of changes.';
COMMENT ON COLUMN api_v1.physical_information.recorded_at IS 'Since when it holds.';
COMMENT ON COLUMN api_v1.physical_information.weight_kg IS 'Kilograms.';
COMMENT ON COLUMN api_v1.physical_information.height_cm IS 'Centimetres.';
COMMENT ON COLUMN api_v1.physical_information.resting_heart_rate_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.physical_information.max_heart_rate_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.physical_information.vo2_max IS 'Millilitres a kilogram a minute.';
COMMENT ON COLUMN api_v1.physical_information.aerobic_threshold_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.physical_information.anaerobic_threshold_bpm IS 'Beats a minute.';
COMMENT ON COLUMN api_v1.physical_information.weight_source IS 'Polar''s code, for example SOURCE_MEASURED.';
COMMENT ON COLUMN api_v1.physical_information.polar_id IS 'Id in physical-information transactions.';

CREATE VIEW api_v1.sync_runs AS
SELECT c.user_id, r.run_id, r.cause, r.request_ids, r.started_at, r.finished_at, r.outcome,
    r.error_class, r.items_new, r.items_changed, r.items_same
FROM polar_sync.sync_run r
JOIN polar_sync.connection c USING (connection_id);
COMMENT ON VIEW api_v1.sync_runs IS 'Executions of syncs.';
COMMENT ON COLUMN api_v1.sync_runs.run_id IS 'Id of the run.';
COMMENT ON COLUMN api_v1.sync_runs.cause IS 'What made it start.';
COMMENT ON COLUMN api_v1.sync_runs.request_ids IS 'The request_id of every request that it served.';
COMMENT ON COLUMN api_v1.sync_runs.started_at IS 'Start.';
COMMENT ON COLUMN api_v1.sync_runs.finished_at IS 'End; null while it runs.';
COMMENT ON COLUMN api_v1.sync_runs.outcome IS 'ok, partial, snoozed, failed or refused; null while it runs.';
COMMENT ON COLUMN api_v1.sync_runs.error_class IS 'Class of the error that decided the outcome.';
COMMENT ON COLUMN api_v1.sync_runs.items_new IS 'Records added.';
COMMENT ON COLUMN api_v1.sync_runs.items_changed IS 'Records changed.';
COMMENT ON COLUMN api_v1.sync_runs.items_same IS 'Records that were stored already.';

CREATE VIEW api_v1.changes AS
SELECT seq, user_id, record_id, kind, change, revision, changed_at AS at
FROM polar_sync.change;
COMMENT ON VIEW api_v1.changes IS
    'A cursor feed: no row ever appears with a seq at or below one already visible; numbers may skip.';
COMMENT ON COLUMN api_v1.changes.seq IS 'The cursor: read on with seq > the last one seen, in order of seq.';
COMMENT ON COLUMN api_v1.changes.record_id IS 'Id of the workout, night, day or other record.';
COMMENT ON COLUMN api_v1.changes.kind IS 'exercise, activity, physical_information, sleep or nightly_recharge.';
COMMENT ON COLUMN api_v1.changes.change IS 'added, updated or deleted.';
COMMENT ON COLUMN api_v1.changes.revision IS 'The revision that the change made.';
COMMENT ON COLUMN api_v1.changes.at IS 'When it was stored.';

-- What means the same in every view.
DO $$
DECLARE
    uncommented record;
BEGIN
    FOR uncommented IN
        SELECT c.relname AS view, a.attname AS col, d.description
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        JOIN (VALUES
            ('user_id', 'The platform''s own id of the user.'),
            ('workout_id', 'The workout, as in workouts.'),
            ('sleep_id', 'The night, as in sleeps.'),
            ('device_id', 'Id of the device.'),
            ('revision', 'From 1; grows with every change of the record.'),
            ('updated_at', 'When this revision was stored.')) AS d (attname, description)
            ON d.attname = a.attname
        WHERE c.relnamespace = 'api_v1'::regnamespace AND c.relkind = 'v'
            AND col_description(c.oid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN api_v1.%I.%I IS %L',
            uncommented.view, uncommented.col, uncommented.description);
    END LOOP;
END $$;

-- Readers see the views and nothing below them: views and the function run with the rights of their
-- owner. Roles belong to the whole cluster, where another database may be creating this one now.
DO $$
BEGIN
    CREATE ROLE polar_sync_reader NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA polar_sync, api_v1 FROM PUBLIC;
GRANT USAGE ON SCHEMA api_v1 TO polar_sync_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA api_v1 TO polar_sync_reader;
GRANT EXECUTE ON FUNCTION api_v1.timeseries_between TO polar_sync_reader;
