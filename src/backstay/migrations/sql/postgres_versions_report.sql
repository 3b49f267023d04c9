-- This process runs now; who has not been seen for a day is forgotten.
WITH gone AS (DELETE FROM backstay_versions WHERE seen_at < clock_timestamp() - interval '1 day')
INSERT INTO backstay_versions (instance, version) VALUES ($1, $2)
ON CONFLICT (instance) DO UPDATE SET version = excluded.version, seen_at = clock_timestamp()
