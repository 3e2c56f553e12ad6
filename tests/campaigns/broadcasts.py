"""Rows about broadcasts, and short ways to bring one into a state through its verbs."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.utils import timezone
from factory import SelfAttribute, Sequence, SubFactory, post_generation
from factory.django import DjangoModelFactory

from campaigns.models import Broadcast, Delivery, SandboxMessage, WelcomePolicy
from campaigns.rules.status import BroadcastStatus
from campaigns.services.draining import drain_slice
from campaigns.services.scheduling import start_due_broadcasts
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory
from tests.wecom.factories import ChannelAccountFactory


class BroadcastFactory(DjangoModelFactory):
    """A draft to one empty community; ``communities=[…]`` names others."""

    class Meta:
        model = Broadcast
        skip_postgeneration_save = True

    author = SubFactory(UserFactory)
    enterprise = SelfAttribute("author.enterprise")
    last_editor = SelfAttribute("author")
    name = Sequence(lambda n: f"群发{n}")
    body = "你好，{{昵称}}"
    channel_account = SubFactory(ChannelAccountFactory, enterprise=SelfAttribute("..enterprise"))

    @post_generation
    def communities(self, create, extracted, **_kwargs):
        if create:
            self.communities.set(extracted or [CommunityFactory(enterprise=self.enterprise)])


class WelcomePolicyFactory(DjangoModelFactory):
    class Meta:
        model = WelcomePolicy

    community = SubFactory(CommunityFactory)
    enterprise = SelfAttribute("community.enterprise")
    body = "欢迎{{昵称}}来到{{社群}}"


def colleague_of(user, **values):
    return UserFactory(enterprise=user.enterprise, **values)


def due_broadcast(*, members=3, community=None, **values):
    """Approved and scheduled for a moment ago, to a community with so many members."""
    if community is None:
        author = values.get("author") or UserFactory()
        values["author"] = author
        community = CommunityFactory(enterprise=author.enterprise)
    MembershipFactory.create_batch(members, community=community)
    author = values.pop("author", None) or UserFactory(enterprise=community.enterprise)
    state = {
        "approved_by": colleague_of(author),
        "status": BroadcastStatus.SCHEDULED,
        "scheduled_at": timezone.now() - timedelta(seconds=1),
    }
    return BroadcastFactory(author=author, communities=[community], **(state | values))


def populate(community, members):
    """So many members, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH people AS ("
            " INSERT INTO members_member (enterprise_id, external_id, nickname, phone)"
            " SELECT %s, 'm' || n, '成员' || n, '' FROM generate_series(1, %s) n RETURNING id)"
            " INSERT INTO members_membership"
            " (enterprise_id, member_id, community_id, source, leave_reason)"
            " SELECT %s, id, %s, 'api', '' FROM people",
            [community.enterprise_id, members, community.enterprise_id, community.pk],
        )


def started(broadcast):
    """The run of a broadcast that was due."""
    start_due_broadcasts()
    return broadcast.runs.get()


def drain():
    """Work until there is nothing left to do now."""
    while drain_slice():
        pass


def states_of(run):
    """recipient id -> (status, reason)"""
    rows = Delivery.objects.filter(run=run).values_list("recipient_id", "status", "reason")
    return {recipient: (status, reason) for recipient, status, reason in rows}


def outbox(account):
    """(recipient, text) as the sandbox took them, in order."""
    messages = SandboxMessage.objects.filter(channel_account=account).order_by("pk")
    return list(messages.values_list("recipient_ref", "body"))
