"""The recipients of a run as a file for people."""

from __future__ import annotations

from collections.abc import Iterator

from scrm.accounts.models import User


def export_recipients(run_id: int, *, actor: User) -> Iterator[bytes]:
    """CSV in UTF-8 with a byte order mark, read from the database piece by piece. Audited before
    the first piece is read."""
    raise NotImplementedError
