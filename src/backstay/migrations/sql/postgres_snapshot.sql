-- Every object of some schemas with its definition, as the server puts it. Names are qualified where search_path
-- does not find them. What belongs to an extension is the extension's business.
WITH place AS (SELECT oid FROM pg_namespace WHERE nspname = ANY($1::text[])),
member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relation AS (
    SELECT c.* FROM pg_class AS c
    WHERE c.relnamespace IN (SELECT oid FROM place)
      AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
)
SELECT 'table' AS kind, c.oid::regclass::text AS name, c.oid::regclass::text AS relation,
       concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
                 CASE c.relkind WHEN 'p' THEN 'partitioned by ' || pg_get_partkeydef(c.oid) WHEN 'f' THEN 'foreign' ELSE 'table' END,
                 pg_get_expr(c.relpartbound, c.oid)) AS definition
FROM relation AS c WHERE c.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'column', c.oid::regclass::text || '.' || quote_ident(a.attname), c.oid::regclass::text,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
                 CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN d.adbin IS NOT NULL THEN 'default' END,
                 pg_get_expr(d.adbin, d.adrelid))
FROM relation AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p', 'f')
UNION ALL
-- Since version 18 NOT NULL is a constraint too; it is told with its column.
SELECT 'constraint', quote_ident(k.conname) || ' on ' || c.oid::regclass::text, c.oid::regclass::text,
       pg_get_constraintdef(k.oid)
FROM relation AS c JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype NOT IN ('n', 't') AND k.conparentid = 0
UNION ALL
SELECT 'index', c.oid::regclass::text, i.indrelid::regclass::text,
       pg_get_indexdef(c.oid, 0, true) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM relation AS c JOIN pg_index AS i ON i.indexrelid = c.oid
WHERE NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, c.oid::regclass::text, c.oid::regclass::text,
       pg_get_viewdef(c.oid, true)
FROM relation AS c WHERE c.relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger', quote_ident(g.tgname) || ' on ' || c.oid::regclass::text, c.oid::regclass::text, pg_get_triggerdef(g.oid, true)
FROM relation AS c JOIN pg_trigger AS g ON g.tgrelid = c.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'row security', c.oid::regclass::text, c.oid::regclass::text,
       CASE WHEN c.relforcerowsecurity THEN 'forced' ELSE 'enabled' END
FROM relation AS c WHERE c.relrowsecurity
UNION ALL
SELECT 'policy', quote_ident(p.polname) || ' on ' || c.oid::regclass::text, c.oid::regclass::text,
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for', p.polcmd::text,
                 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
FROM relation AS c JOIN pg_policy AS p ON p.polrelid = c.oid
UNION ALL
-- The sequence behind an identity column is told with the column.
SELECT 'sequence', c.oid::regclass::text,
       coalesce((SELECT d.refobjid::regclass::text FROM pg_depend AS d
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a' AND d.refobjsubid > 0), ''),
       concat_ws(' ', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'by', s.seqincrement, 'from', s.seqmin, 'to', s.seqmax,
                 CASE WHEN s.seqcycle THEN 'cycle' END)
FROM relation AS c JOIN pg_sequence AS s ON s.seqrelid = c.oid
WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
UNION ALL
SELECT 'function', f.oid::regprocedure::text, '', pg_get_functiondef(f.oid)
FROM pg_proc AS f
WHERE f.pronamespace IN (SELECT oid FROM place) AND f.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_proc'::regclass AND m.objid = f.oid)
UNION ALL
SELECT 'type', t.oid::regtype::text, '',
       CASE t.typtype
           WHEN 'e' THEN 'enum ' || (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid)
           WHEN 'c' THEN 'composite ' || (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                                          FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
           ELSE concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END, t.typdefault,
                          (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname) FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c'))
       END
FROM pg_type AS t
LEFT JOIN pg_class AS r ON r.oid = t.typrelid
WHERE t.typnamespace IN (SELECT oid FROM place) AND (t.typtype IN ('e', 'd') OR (t.typtype = 'c' AND r.relkind = 'c'))
  AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
UNION ALL
SELECT 'extension', quote_ident(e.extname), '', 'installed' FROM pg_extension AS e WHERE e.extname <> 'plpgsql' AND $2
