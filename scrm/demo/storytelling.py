"""What the stories of the demonstration have in common: who acts, what is said, how they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Unpack

from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus
from campaigns.services.approving import approve_broadcast, submit_broadcast
from campaigns.services.composing import Draft, create_broadcast
from campaigns.services.scheduling import schedule_broadcast
from communities.models import Community
from communities.rules.kinds import CommunityKind, EntryMode
from communities.services.founding import create_community
from communities.services.gatekeeping import set_entry_policy
from communities.services.lifecycle import move_community
from scrm.accounts.models import User
from scrm.demo import world
from scrm.demo.company import SimulatedCompany
from scrm.shared.criteria import Criterion
from scrm.wecom.models import WecomConnection

PATIENCE = 1800.0  # seconds that one step may take


class StoryBroke(Exception):
    """It took too long, or the end was not what it has to be."""


@dataclass
class Stage:
    """``work`` lets things go on: it waits for the workers, or does their work."""

    connection: WecomConnection
    operator: User
    approvers: tuple[User, User]
    say: Callable[[str], None]
    work: Callable[[], None]
    patience: float = PATIENCE
    mark: int = field(default_factory=lambda: int(time.time()))

    @property
    def company(self) -> SimulatedCompany:
        return SimulatedCompany(self.connection)

    def wait(self, what: str, is_so: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + self.patience
        while not is_so():
            if time.monotonic() > ends_at:
                raise StoryBroke(f"等了 {self.patience:.0f} 秒：{what}。")
            self.work()

    def community(self, code: str, name: str) -> Community:
        """A new one that is active."""
        community = create_community(
            actor=self.approvers[0],
            code=f"{code}-{self.mark}",
            name=name,
            audience_statement="各门店的老顾客",
            purpose_statement="门店活动通知",
            kind=CommunityKind.STORE,
        )
        set_entry_policy(
            community.pk, mode=EntryMode.OPEN, criterion=Criterion(), actor=self.approvers[0]
        )
        for status in world.STATUS_PATH[1:]:
            move_community(community.pk, target=status, actor=self.approvers[0])
        community.refresh_from_db()
        return community

    def draft(self, **draft: Unpack[Draft]) -> Broadcast:
        return create_broadcast(actor=self.operator, **draft)

    def approve(self, broadcast: Broadcast) -> Broadcast:
        """Submitted by who wrote it, approved by as many others as it needs."""
        submit_broadcast(broadcast.pk, actor=self.operator)
        accepts = bool(broadcast.override_reason)
        for approver in self.approvers:
            broadcast.refresh_from_db()
            if broadcast.status == BroadcastStatus.IN_REVIEW:
                approve_broadcast(broadcast.pk, actor=approver, accepts_override=accepts)
                self.say(f"    {approver} 批准了“{broadcast.name}”。")
        broadcast.refresh_from_db()
        if broadcast.status != BroadcastStatus.APPROVED:
            raise StoryBroke(f"没有批准：{broadcast.get_status_display()}")
        return broadcast

    def send(self, broadcast: Broadcast) -> Broadcast:
        self.approve(broadcast)
        return schedule_broadcast(broadcast.pk, actor=self.operator)
