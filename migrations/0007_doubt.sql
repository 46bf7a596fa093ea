-- Since when an earlier transaction of ours may be open at Polar, while an empty answer to a create is not
-- believed (distrust_empty_until): what a create is given until then can be as old as that.
-- Null beside an instant where a version without this column noted the doubt: since long ago.
ALTER TABLE polar_sync.kind_state ADD COLUMN doubted_since timestamptz;
