"""What a hand-over has come to, as its items say."""

from __future__ import annotations

from collections.abc import Mapping

from communities.rules.transfers import ItemState, TransferStatus

#: Still to be sent, or not known whether it was.
UNFINISHED = frozenset({ItemState.QUEUED, ItemState.SENDING, ItemState.UNKNOWN})
#: An end that leaves nothing to do.
SETTLED = frozenset({ItemState.VERIFIED, ItemState.GONE, ItemState.WAIVED, ItemState.CANCELLED})
#: Somebody has to look at it, or the customer did not want it.
IN_TROUBLE = frozenset({ItemState.FAILED, ItemState.REFUSED, ItemState.BLOCKED})
