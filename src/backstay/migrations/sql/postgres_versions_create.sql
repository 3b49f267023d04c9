-- Which versions of the application run: one row per process, renewed while it lives.
CREATE TABLE IF NOT EXISTS backstay_versions (
    instance text PRIMARY KEY,
    version text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
