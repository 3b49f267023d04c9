-- Who was seen lately, and how long ago.
SELECT version, instance, (julianday('now') - seen_at) * 86400.0 AS seconds FROM backstay_versions ORDER BY seen_at DESC
