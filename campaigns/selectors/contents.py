"""What exactly a broadcast says, to whom and when: the facts that an approval is about."""

from __future__ import annotations

from typing import Any

from campaigns.models import Broadcast
from campaigns.rules.digests import digest


def facts_of(broadcast: Broadcast) -> dict[str, Any]:
    """Everything that is sent and to whom, with its segments written out."""
    return {"body": broadcast.body}


def digest_of(broadcast: Broadcast) -> str:
    """One string for all of it: two broadcasts with the same digest send the same."""
    return digest(facts_of(broadcast))
