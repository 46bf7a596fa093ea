-- Whoever meets a Redis that lost its memory tells it what is remembered of the quota: the api too, which calls Polar.
GRANT SELECT (checkpoint) ON polar_sync.quota TO polar_sync_api;
