-- What keeps a refresh token from being used twice.

-- Who refreshes a connection's tokens, and until when nobody else may: a server that rotates its refresh tokens
-- may take a second use of one for a theft, and end them all. A claim counts for the generation that it names,
-- so one that was left behind is in nobody's way once there are other tokens. Without a claim, the time is that
-- before which a refresh token that was refused is not tried again.
ALTER TABLE polar_sync.connection
    ADD COLUMN refresh_claim uuid,
    ADD COLUMN refresh_generation bigint,
    ADD COLUMN refresh_until timestamptz;
