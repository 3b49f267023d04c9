-- The indexes of that name (or, after a REINDEX, of that name with a suffix), and whether each is whole.
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relname AS bare, i.indisvalid AND i.indisready AS valid
FROM pg_class AS c
JOIN pg_index AS i ON i.indexrelid = c.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (c.relname = $1 OR ($4 AND c.relname ~ ('^' || regexp_replace($1, '([^a-zA-Z0-9_])', '\\\1', 'g') || '_cc(new|old)[0-9]*$')))
  AND CASE
        WHEN $3::text IS NOT NULL THEN i.indrelid = to_regclass($3)
        WHEN $2::text IS NOT NULL THEN n.nspname = $2
        ELSE pg_table_is_visible(c.oid)
      END
