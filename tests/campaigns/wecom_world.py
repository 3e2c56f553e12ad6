"""A company on the simulator whose chats are in one community, and a broadcast to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from campaigns.channels.wecom import WecomChannel
from campaigns.models import Delivery, Dispatch, Run
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.draining import drain_slice
from campaigns.services.polling import poll_due_dispatches
from campaigns.services.scheduling import start_due_broadcasts
from communities.models import Community, GroupChat
from scrm.accounts.models import Staff
from scrm.wecom.services.platform_clock import learn_clock
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import FollowFactory, MembershipFactory
from tests.wecom.simulated import Simulated, simulated_corp


class QuickWecomChannel(WecomChannel):
    """Reads the list twice without waiting between."""

    look_again_seconds = 0.0


QUICK = {
    "sandbox": "campaigns.channels.sandbox.SandboxChannel",
    "webhook": "campaigns.channels.webhook.WebhookChannel",
    "wecom": "tests.campaigns.wecom_world.QuickWecomChannel",
}


@dataclass
class WecomWorld:
    simulated: Simulated
    community: Community

    @property
    def corp(self):
        return self.simulated.corp

    @property
    def connection(self):
        return self.simulated.connection

    @property
    def account(self):
        return self.connection.account

    def owner(self, userid, *, chats=2):
        """A colleague and his chats, here and there."""
        self.corp.add_staff(userid, f"群主{userid}")
        staff = StaffFactory(
            enterprise=self.account.enterprise, external_id=userid, name=f"群主{userid}"
        )
        return [self.chat(staff) for _ in range(chats)]

    def chat(self, staff):
        chat_id = self.corp.create_group(staff.external_id, "群")
        return GroupChatFactory(
            community=self.community,
            channel_account=self.account,
            external_id=chat_id,
            owner=staff,
            owner_userid=staff.external_id,
        )

    def customer(self, userid):
        """A member of the community who is a contact of this colleague."""
        member = MembershipFactory(community=self.community).member
        self.follow(member, userid, self.corp.add_customer("客户", staff=userid))
        return member

    def follow(self, member, userid, external_userid):
        staff = Staff.objects.get(enterprise=self.account.enterprise, external_id=userid)
        FollowFactory(
            member=member,
            staff=staff,
            channel_account=self.account,
            external_userid=external_userid,
        )

    def broadcast(self, **values):
        author = values.pop("author", None) or UserFactory(enterprise=self.account.enterprise)
        state = {
            "body": "本周六 10 点门店活动",
            "target": BroadcastTarget.CHATS,
            "approved_by": colleague_of(author),
            "status": BroadcastStatus.SCHEDULED,
            "scheduled_at": timezone.now() - timedelta(seconds=1),
            "channel_account": self.account,
        }
        return BroadcastFactory(author=author, communities=[self.community], **(state | values))

    def sent(self, **values):
        """The run of a broadcast, handed over as far as it goes."""
        broadcast = self.broadcast(**values)
        start_due_broadcasts()
        drain()
        return broadcast.runs.get()

    # --- the platform

    def messages(self):
        return list(self.corp.mass_messages.values())

    def tap(self, userid, **how):
        """Everything that waits for this colleague is sent."""
        for message in self.messages():
            task = message.tasks.get(userid.lower())
            if task is not None and not task.status and not message.cancelled:
                self.corp.tap_send(message.msgid, userid, **how)

    def later(self, **span):
        """The platform's clock goes on, and we hear of it, to within a few seconds; everything is
        due again."""
        self.corp.clock.advance(timedelta(seconds=5, **span).total_seconds())
        learn_clock(self.connection)
        self.look()

    def look(self):
        """What waits at the platform is asked about now."""
        polled = Dispatch.objects.filter(status__in=["awaiting", "stopping"])
        polled.update(due_at=Now())
        while poll_due_dispatches():
            pass


def wecom_world(**values):
    simulated = simulated_corp(**values)
    simulated.corp.settings.dispatching_seconds = 0.0
    return WecomWorld(simulated, CommunityFactory(enterprise=simulated.enterprise))


def drain():
    while drain_slice():
        pass


def retry_now(run):
    """Leases and pauses of a run are over."""
    Dispatch.objects.filter(run=run, status__in=["pending", "leased"]).update(
        due_at=Now() - timedelta(seconds=1), attempted_at=Now() - timedelta(seconds=30)
    )
    Run.objects.filter(pk=run.pk).update(held_until=None)


def chat_states(run):
    """chat external id -> (status, reason)"""
    names = dict(GroupChat.objects.values_list("pk", "external_id"))
    rows = Delivery.objects.filter(run=run).values_list("recipient_id", "status", "reason")
    return {names[pk]: (status, reason) for pk, status, reason in rows}


def reload(row):
    return type(row).objects.get(pk=row.pk)


def sums_agree(run):
    """Whether the counters of the dispatches say what the deliveries say."""
    counted, progress = counted_deliveries(run.pk), progress_of(run.pk)
    told = {
        "delivered": progress.delivered,
        "awaiting_owner": progress.awaiting_owner,
        "failed": progress.failed,
        "suppressed": progress.suppressed,
        "cancelled": progress.cancelled,
        "expired": progress.expired,
        "planned": progress.planned,
    }
    return told == {name: counted[name] for name in told}
