"""What restrains a broadcast now: read once per slice, judged per recipient at the claim.

What it says of everybody (quiet hours) holds the run; what it says of a community (advert share,
allowed categories) and what it says of each recipient (consent, blocklist, caps, the platform's
quota) is a reason on the recipient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from campaigns.models import Broadcast, Run, SendPolicy
from campaigns.rules.guarding import ConsentRule


@dataclass(frozen=True, slots=True)
class Cap:
    """Who has got ``limit`` messages of these runs gets no more; ``reason`` says so."""

    reason: str
    limit: int
    run_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Guards:
    """``consent_rule`` is empty where nobody's consent is asked: in chats.

    ``refused`` gives the reason why a community is not written to. ``open_run_ids`` are runs that
    began before this one and still send: what they have planned counts as sent.
    """

    consent_rule: str = ""
    caps: tuple[Cap, ...] = ()
    open_run_ids: tuple[int, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    hold_until: datetime | None = None

    @classmethod
    def of(
        cls,
        broadcast: Broadcast,
        *,
        now: datetime,
        run: Run | None = None,
        communities: Sequence[int] | None = None,
    ) -> Guards:
        """``now`` is the database's; ``communities`` instead of the broadcast's own, for one that
        is not saved yet."""
        return cls()


NO_GUARDS = Guards()


def policy_of(enterprise_id: int) -> SendPolicy:
    """The enterprise's rules; one that never set any has the defaults."""
    kept = SendPolicy.objects.filter(enterprise=enterprise_id).first()
    return kept or SendPolicy(enterprise_id=enterprise_id, consent_rule=ConsentRule.REQUIRED)
