-- This process runs now.
INSERT INTO backstay_versions (instance, version, seen_at) VALUES (?, ?, julianday('now'))
ON CONFLICT (instance) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at
