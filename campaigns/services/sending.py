"""What the dispatches of one run share, looked at once per slice: nothing here is older than the
few seconds that a slice lasts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from campaigns.channels.protocol import Channel
from campaigns.channels.registry import channel_for
from campaigns.models import Broadcast, Run
from campaigns.rules.status import RunStatus
from campaigns.rules.templates import VARIABLES_OF, parse_template
from campaigns.selectors.arms import Arms, arms_of
from campaigns.selectors.contents import is_as_approved
from campaigns.selectors.guards import Guards
from campaigns.selectors.recipients import Mailing
from scrm.shared.clock import database_now


@dataclass
class Sending:
    """``is_as_approved``: what is sent and to whom is what was approved, and says nothing that was
    forbidden since. ``told`` are the communities of which the ledger of posts knows already."""

    run_id: int
    broadcast_id: int
    channel: Channel
    mailing: Mailing
    guards: Guards
    arms: Arms | None
    attachments: tuple[dict[str, Any], ...]
    error_budget: int
    is_as_approved: bool
    is_troubled: bool
    mailings: dict[int | None, Mailing] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, run_id: int) -> Sending:
        run = Run.objects.select_related("broadcast__channel_account", "broadcast__enterprise").get(
            pk=run_id
        )
        broadcast = run.broadcast
        communities = dict(broadcast.communities.values_list("pk", "name"))
        return cls(
            run_id=run_id,
            broadcast_id=broadcast.pk,
            channel=channel_for(broadcast.channel_account.kind),
            mailing=Mailing.of(broadcast, communities=communities),
            guards=Guards.of(broadcast, now=database_now(), run=run, communities=list(communities)),
            arms=arms_of(run),
            attachments=tuple(broadcast.attachments),
            error_budget=broadcast.error_budget_percent,
            is_as_approved=_is_as_approved(broadcast, run),
            is_troubled=run.trouble_count > 0,
        )

    @property
    def hold_until(self) -> datetime | None:
        return self.guards.hold_until

    def mailing_of(self, arm: int | None) -> Mailing:
        """The texts of an arm of an experiment, or those of everybody."""
        if self.arms is None:
            return self.mailing
        if arm not in self.mailings:
            body = self.arms.body(arm)
            self.mailings[arm] = self.mailing if body is None else saying(self.mailing, body)
        return self.mailings[arm]


def saying(mailing: Mailing, body: str) -> Mailing:
    return replace(mailing, template=parse_template(body, allowed=VARIABLES_OF[mailing.target]))


def _is_as_approved(broadcast: Broadcast, run: Run) -> bool:
    """What is being cancelled need not be."""
    return run.status == RunStatus.CANCELLING or is_as_approved(broadcast)
