-- Whatever else goes wrong, one generation of a migration is completed once.
CREATE UNIQUE INDEX IF NOT EXISTS {once} ON {history} (migration, generation, direction)
    WHERE kind IN ('succeeded', 'rolled-back', 'adopted')
