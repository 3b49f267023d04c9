(SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'advisory' AND l.classid = {high} AND l.objid = {low}
    AND l.pid = {pid} AND l.virtualtransaction = '{transaction}' AND l.granted LIMIT 1)
