"""The recipients of one dispatch as they are now, and the texts they get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from campaigns.models import Broadcast, Delivery
from campaigns.rules.reach import reaches_every_chat
from campaigns.rules.status import RECIPIENT_KIND, BroadcastTarget
from campaigns.rules.templates import (
    VARIABLES_OF,
    CannotRender,
    Template,
    Variable,
    parse_template,
)
from campaigns.selectors.guards import NO_GUARDS, Guards
from campaigns.selectors.refusals import Among, refusal_of_chats, refusal_of_members
from communities.models import GroupChat
from communities.rules.status import ChatState
from members.models import Member
from scrm.shared.sql import Sql, sql
from scrm.wecom.models import ChannelAccount

# Who is no longer in any of the communities has no community. The range of ids lets the index on
# (community, member) be read from the first recipient to the last, whatever the table's size.
# Somebody is reached through the first of their communities that the message may go to.
# Everything is joined to the ids that are asked for: inner joins of the tables themselves would be
# taken for a row or two, whatever the number, and be done in loops within loops.
MEMBERS = """
SELECT asked.id, member.external_id, member.nickname, here.community_id, {}
FROM unnest({}::bigint[]) AS asked (id)
LEFT JOIN members_member member ON member.id = asked.id {}
LEFT JOIN (
    SELECT member_id, {} AS community_id
    FROM members_membership
    WHERE community_id = ANY({}) AND left_at IS NULL AND member_id BETWEEN {} AND {}
    GROUP BY member_id
) here ON here.member_id = asked.id
{}
ORDER BY asked.id
"""

CHATS = """
SELECT asked.id, chat.external_id, chat.name, here.community_id, {}
FROM unnest({}::bigint[]) AS asked (id)
LEFT JOIN communities_groupchat chat ON chat.id = asked.id AND chat.community_id = ANY({})
    AND ({} OR chat.channel_account_id = {}) AND chat.state <> {}
CROSS JOIN LATERAL (SELECT chat.community_id) here
{}
ORDER BY asked.id
"""

#: Where at least one of so many ids in a range is asked for, the range is read, else each id.
SPARSE = 8
#: The column of the community in the statements above.
COMMUNITY = 3


class Recipient(NamedTuple):
    """``refusal`` is the reason why nothing may be sent to them, "" where something may be."""

    pk: int
    ref: str
    name: str
    community_id: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Mailing:
    """What a broadcast says and where, ready to be rendered many times."""

    target: str
    template: Template
    account: ChannelAccount
    communities: dict[int, str]

    @classmethod
    def of(cls, broadcast: Broadcast, *, communities: dict[int, str]) -> Mailing:
        return cls(
            target=broadcast.target,
            template=parse_template(broadcast.body, allowed=VARIABLES_OF[broadcast.target]),
            account=broadcast.channel_account,
            communities=communities,
        )

    @property
    def recipient_kind(self) -> str:
        return RECIPIENT_KIND[BroadcastTarget(self.target)].value

    @property
    def reason_when_absent(self) -> str:
        return "left" if self.target == BroadcastTarget.MEMBERS else "chat_gone"

    def render(self, recipient: Recipient) -> str:
        name = Variable.NICKNAME if self.target == BroadcastTarget.MEMBERS else Variable.CHAT
        return self.template.render(
            {
                name: recipient.name,
                Variable.COMMUNITY: self.communities[recipient.community_id],
            }
        )

    def rendered_or_reason(self, recipient: Recipient) -> str:
        try:
            return self.render(recipient)
        except CannotRender as error:
            return f"({error.code})"


def load_recipients(
    mailing: Mailing, ids: Sequence[int], guards: Guards = NO_GUARDS
) -> list[Recipient]:
    """Those of ``ids`` who are still there, with the reason why one may not be written to. ``ids``
    are in ascending order."""
    if not ids:
        return []
    to_members = mailing.target == BroadcastTarget.MEMBERS
    statement = (_members if to_members else _chats)(mailing, list(ids), guards)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return [Recipient._make(row) for row in cursor.fetchall() if row[COMMUNITY] is not None]


def _members(mailing: Mailing, ids: list[int], guards: Guards) -> Sql:
    among = _among(ids)
    refusal = refusal_of_members(
        guards, among, member="asked.id", is_erased="member.erased_at IS NOT NULL"
    )
    return sql(
        MEMBERS,
        refusal.reason,
        ids,
        among("member.id"),
        first_community(guards),
        list(mailing.communities),
        ids[0],
        ids[-1],
        refusal.joins,
    )


def first_community(guards: Guards) -> Sql:
    """Of somebody's communities, the one through which they are written to."""
    if not guards.refused:
        return Sql("min(community_id)")
    return sql(
        "coalesce(min(community_id) FILTER (WHERE community_id <> ALL({})), min(community_id))",
        list(guards.refused),
    )


def _chats(mailing: Mailing, ids: list[int], guards: Guards) -> Sql:
    refusal = refusal_of_chats(guards, _among(ids), chat="asked.id")
    return sql(
        CHATS,
        refusal.reason,
        ids,
        list(mailing.communities),
        reaches_every_chat(mailing.account.kind),
        mailing.account.pk,
        ChatState.DISSOLVED.value,
        refusal.joins,
    )


def _among(ids: list[int]) -> Among:
    if ids[-1] - ids[0] < SPARSE * len(ids):
        return lambda column: sql(f" AND {column} BETWEEN {{}} AND {{}}", ids[0], ids[-1])
    return lambda column: sql(f" AND {column} = ANY({{}})", ids)


def refs_of(mailing: Mailing, ids: Sequence[int]) -> dict[str, int]:
    """What the platform calls these recipients, whether or not they are still there."""
    rows: QuerySet[Member] | QuerySet[GroupChat] = (
        Member.objects.filter(pk__in=ids)
        if mailing.target == BroadcastTarget.MEMBERS
        else GroupChat.objects.filter(pk__in=ids)
    )
    return dict(rows.values_list("external_id", "pk"))


def with_recipient_name(deliveries: QuerySet[Delivery], *, target: str) -> QuerySet[Delivery]:
    """Adds ``recipient_name``: deliveries hold ids only."""
    this = OuterRef("recipient_id")
    name = (
        GroupChat.objects.filter(pk=this).values("name")
        if target == BroadcastTarget.CHATS
        else Member.objects.filter(pk=this).values("nickname")
    )
    return deliveries.annotate(recipient_name=Subquery(name[:1]))
