"""Who and where the names in a batch of events are, and whether that can be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from communities.models import Community
from members.rules.activity import Event
from members.rules.rows import Rejection, shown
from members.rules.status import Confidence
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import DataScope
from scrm.shared.prepared import run_prepared

if TYPE_CHECKING:
    from scrm.accounts.models import User

GRACE = timedelta(days=1)  # clocks and time zones of other systems

_NAMED = """
SELECT known.{name}, known.id
FROM unnest(string_to_array(%(names)s, E'\\n')) given (name)
JOIN {table} known ON known.{name} = given.name AND known.enterprise_id = %(enterprise)s
"""
COMMUNITIES = _NAMED.format(table="communities_community", name="code")
MEMBERS = _NAMED.format(table="members_member", name="external_id")
STAFF = _NAMED.format(table="accounts_staff", name="external_id")

# Only of members that were put on file after the oldest event in question, and of whom an exact
# beginning is known: nothing can be said against the history of somebody newly put on file.
BEGINNINGS = """
SELECT member.id, least(member.created_at, known.earliest - %(grace)s)
FROM members_member member CROSS JOIN LATERAL (
    SELECT min(began) AS earliest FROM (
        SELECT joined_at AS began FROM members_stay
        WHERE member_id = member.id AND join_confidence = %(exact)s
        UNION ALL
        SELECT began_at FROM members_follow
        WHERE member_id = member.id AND began_confidence = %(exact)s
        UNION ALL
        SELECT joined_at FROM members_membership membership
        WHERE member_id = member.id AND NOT EXISTS (
            SELECT FROM members_stay
            WHERE membership_id = membership.id AND join_confidence <> %(exact)s
        )
    ) beginnings
) known
WHERE member.id = ANY(%(members)s) AND member.created_at > %(oldest)s
  AND known.earliest - %(grace)s > %(oldest)s
"""


class Placed(NamedTuple):
    """A well-formed event of somebody known in a known community: a member or a colleague."""

    community_id: int
    member_id: int | None
    staff_id: int | None
    event: Event


def place_events(
    enterprise: Enterprise,
    events: Sequence[tuple[int, Event]],
    rejects: list[Rejection],
    *,
    visible_to: User | None,
    now: datetime,
) -> list[Placed]:
    """The events whose names are known; the others go to ``rejects`` with the reason.

    Who or what belongs to another enterprise is as unknown as what does not exist.
    """
    community_ids = _communities(enterprise, {event.community for _i, event in events}, visible_to)
    member_ids = _named(MEMBERS, enterprise, {event.member for _i, event in events} - {""})
    staff_ids = _named(STAFF, enterprise, {event.staff for _i, event in events} - {""})
    before = _beginnings(events, member_ids, now)
    placed = []
    for index, event in events:
        community_id = community_ids.get(event.community)
        member_id, staff_id = member_ids.get(event.member), staff_ids.get(event.staff)
        if community_id is None:
            message = _("没有代码为“%(code)s”的社群。") % {"code": shown(event.community)}
            rejects.append(Rejection(index, "unknown_community", message))
        elif member_id is None and staff_id is None:
            rejects.append(_unknown_person(index, event))
        elif before and member_id in before and event.occurred_at < before[member_id]:
            rejects.append(_before_member(index, event, before[member_id], enterprise))
        else:
            placed.append(Placed(community_id, member_id, staff_id, event))
    return placed


def _communities(
    enterprise: Enterprise, codes: set[str], visible_to: User | None
) -> dict[str, int]:
    if visible_to is None or visible_to.data_scope == DataScope.ALL:
        return _named(COMMUNITIES, enterprise, codes)
    communities = Community.objects.visible_to(visible_to).filter(code__in=codes)
    return dict(communities.values_list("code", "pk"))


def _named(statement: str, enterprise: Enterprise, names: set[str]) -> dict[str, int]:
    """The ids of those that exist. Names go over as one text: one value is put together sooner than
    many, and none of them has a line break."""
    if not names:
        return {}
    values = {"enterprise": enterprise.pk, "names": "\n".join(names)}
    return dict(run_prepared(statement, values))


def _beginnings(
    events: Sequence[tuple[int, Event]], member_ids: dict[str, int], now: datetime
) -> dict[int | None, datetime]:
    """Before when an event of a member can not have been, of those with old enough events.

    What has only just happened is never too early, so the usual batch asks nothing.
    """
    old = [event for _index, event in events if event.occurred_at < now - GRACE]
    concerned = {member_ids[event.member] for event in old if event.member in member_ids}
    if not concerned:
        return {}
    values: dict[str, Any] = {
        "members": sorted(concerned),
        "oldest": min(event.occurred_at for event in old),
        "exact": Confidence.EXACT,
        "grace": GRACE,
    }
    with connection.cursor() as cursor:
        cursor.execute(BEGINNINGS, values)
        return dict(cursor.fetchall())


def _unknown_person(index: int, event: Event) -> Rejection:
    if event.staff:
        message = _("没有平台账号为“%(staff)s”的员工。") % {"staff": shown(event.staff)}
        return Rejection(index, "unknown_staff", message)
    return Rejection(index, "unknown_member", unknown_member(event.member))


def unknown_member(external_id: str) -> str:
    return _("没有客户编号为“%(member)s”的成员。") % {"member": shown(external_id)}


def _before_member(
    index: int, event: Event, earliest: datetime, enterprise: Enterprise
) -> Rejection:
    words = {
        "member": shown(event.member),
        "day": date_format(earliest.astimezone(enterprise.zone), "Y-m-d"),
    }
    message = _(
        "早于成员“%(member)s”的已知历史：最早从 %(day)s 起。"
        "如果这条活跃属实，请先导入更早的入群或添加好友记录。"
    )
    return Rejection(index, "before_member", message % words)
