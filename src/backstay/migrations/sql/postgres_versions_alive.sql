-- Who was seen lately, and how long ago.
SELECT version, instance, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS seconds
FROM backstay_versions ORDER BY seen_at DESC
