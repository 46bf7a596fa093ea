-- What keeps a refresh token from being used twice.

-- Who refreshes a connection's tokens, and until when nobody else may: a server that rotates its refresh tokens
-- may take a second use of one for a theft, and end them all. A claim counts for the generation that it names,
-- so one that was left behind is in nobody's way once there are other tokens. Without a claim, the time is that
-- before which a refresh token that was refused is not tried again.
ALTER TABLE polar_sync.connection
    ADD COLUMN refresh_claim uuid,
    ADD COLUMN refresh_generation bigint,
    ADD COLUMN refresh_until timestamptz;

-- Users whose data is or was erased. The id is the receipt, and the record of the one change that readers find.
CREATE TABLE polar_sync.erasure (
    erasure_id uuid PRIMARY KEY,
    -- Whose data it was, and by which connections. Both are forgotten once readers have had their time to notice.
    user_id text,
    connections uuid[] NOT NULL,
    began_at timestamptz NOT NULL,
    -- When Polar was told, or did not have to be.
    deregistered_at timestamptz,
    erased_at timestamptz,
    CHECK (user_id IS NOT NULL OR erased_at IS NOT NULL)
);
CREATE UNIQUE INDEX erasure_under_way ON polar_sync.erasure (user_id) WHERE erased_at IS NULL;
CREATE INDEX erasure_user ON polar_sync.erasure (user_id, erased_at) WHERE user_id IS NOT NULL;

-- How the changes of one user are found.
CREATE INDEX change_connection ON polar_sync.change (connection_id);
COMMENT ON COLUMN api_v1.changes.kind IS
    'exercise, activity, physical_information, sleep, nightly_recharge; or user: everything of the user was deleted.';

-- Every table whose rows belong to a connection, the connections themselves apart: one that comes later is erased
-- without being named anywhere.
CREATE VIEW polar_sync.table_of_connection AS
SELECT c.relname AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'connection_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'polar_sync'::regnamespace AND c.relkind = 'r' AND c.relname <> 'connection';

-- Deletes up to so many rows of connections; how many.
CREATE FUNCTION polar_sync.erase_rows(connections uuid[], rows_max bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    erased bigint := 0;
    of_table bigint;
    t name;
BEGIN
    FOR t IN SELECT name FROM polar_sync.table_of_connection ORDER BY name LOOP
        EXECUTE format('DELETE FROM polar_sync.%1$I WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM polar_sync.%1$I WHERE connection_id = ANY ($1) LIMIT $2))', t)
        USING connections, rows_max - erased;
        GET DIAGNOSTICS of_table = ROW_COUNT;
        erased := erased + of_table;
        EXIT WHEN erased >= rows_max;
    END LOOP;
    RETURN erased;
END $$;

-- How many rows there are of connections.
CREATE FUNCTION polar_sync.count_rows(connections uuid[]) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    counted bigint := 0;
    of_table bigint;
    t name;
BEGIN
    FOR t IN SELECT name FROM polar_sync.table_of_connection LOOP
        EXECUTE format('SELECT count(*) FROM polar_sync.%I WHERE connection_id = ANY ($1)', t)
        INTO of_table USING connections;
        counted := counted + of_table;
    END LOOP;
    RETURN counted;
END $$;
REVOKE ALL ON FUNCTION polar_sync.erase_rows, polar_sync.count_rows FROM PUBLIC;
