-- Scans by name: oids are the same on a physical standby, but a logical replica has its own.
select schemaname || '.' || relname || '.' || indexrelname as name, idx_scan as scans from pg_stat_user_indexes
