-- The type of the key, for the casts, and about how many rows there are, for the progress.
SELECT format_type(a.atttypid, a.atttypmod) AS type, greatest(c.reltuples, 0)::bigint AS rows
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped
