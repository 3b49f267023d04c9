-- A database whose statistics were never reset counts since it was made, which the server does not record; the file
-- that names its version is written once, then. It lies beside those of the catalogue, in whatever tablespace.
select (pg_stat_file(regexp_replace(pg_relation_filepath('pg_class'), '[^/]*$', 'PG_VERSION'), true)).modification
