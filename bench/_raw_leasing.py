"""A worker of the limit of the fan-out: leases a chunk, writes its results, and does nothing else.

Run as ``python -m bench._raw_leasing DSN``; begins at the first line on its standard input.
"""

from __future__ import annotations

import sys

import psycopg

LEASE = """
WITH due AS MATERIALIZED (
    SELECT id FROM bench_chunk WHERE status = 'pending' ORDER BY id LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE bench_chunk chunk SET
    status = 'leased', leased_until = statement_timestamp() + interval '60 s'
FROM due WHERE chunk.id = due.id
RETURNING chunk.id, chunk.ids
"""

COMPLETE = """
WITH mine AS (
    UPDATE bench_chunk SET status = 'done' WHERE id = %(id)s AND status = 'leased' RETURNING id
)
UPDATE bench_delivery delivery SET status = 'delivered', settled_at = statement_timestamp()
FROM mine, unnest(%(ids)s::bigint[]) AS recipient (id)
WHERE delivery.run_id = 1 AND delivery.recipient_id = recipient.id
  AND delivery.recipient_id BETWEEN %(first)s AND %(last)s
"""


def main() -> None:
    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        with connection.cursor() as cursor:
            while (row := cursor.execute(LEASE).fetchone()) is not None:
                chunk, ids = row
                values = {"id": chunk, "ids": ids, "first": ids[0], "last": ids[-1]}
                cursor.execute(COMPLETE, values)


if __name__ == "__main__":
    main()
