"""Nothing of one enterprise may be tied to something of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django.utils.translation import gettext as _

from communities.errors import BelongsElsewhere


class OfEnterprise(Protocol):
    enterprise_id: int


def refuse_strangers(enterprise_id: int, rows: Iterable[OfEnterprise | None]) -> None:
    """The last line: the doors already let nobody name a row of another enterprise."""
    for row in rows:
        if row is not None and row.enterprise_id != enterprise_id:
            raise BelongsElsewhere(_("“%(row)s”不属于这家企业，请另选一个。") % {"row": row})
