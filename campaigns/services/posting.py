"""What communities are told: the ledger that the share of advertising is counted from."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

NOTE = """
INSERT INTO campaigns_communitypost (community_id, run_id, category)
SELECT community_id, run.id, broadcast.category
FROM campaigns_run run
JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
CROSS JOIN unnest(%s::bigint[]) AS told (community_id)
WHERE run.id = %s
ON CONFLICT ON CONSTRAINT one_post_per_run_and_community DO NOTHING
"""


def note_posts(run_id: int, community_ids: Iterable[int]) -> None:
    """Once per run and community, when the first message to it is handed over."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [sorted(community_ids), run_id])
