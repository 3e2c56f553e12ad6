"""What communities are told: the ledger that the share of advertising is counted from."""

from __future__ import annotations

from collections.abc import Iterable


def note_posts(run_id: int, community_ids: Iterable[int]) -> None:
    """Once per run and community, when the first message to it is handed over."""
    raise NotImplementedError
