"""What readings of customers say about who follows whom, written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import batched

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from members.models import Follow, Member
from members.rules.stays import LAG, Missing, Seen
from members.services.platform.people import Person, members_for
from members.services.platform_customers.spans import (
    Notes,
    Pair,
    Told,
    lock_members,
    record_follows,
)
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.accounts.services.observing_staff import StaffSeen, observe_staff
from scrm.wecom.client.results import CustomerDetail, FollowInfo
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.reading import request_reads

MISSING_AT_ONCE = 500


@transaction.atomic
def record_customers(
    connection: WecomConnection, details: Sequence[CustomerDetail], *, read_at: datetime
) -> Counter[str]:
    """Customers with those who follow them, as they were read: ``seen``, ``added``, ``changed``
    and ``closed`` are periods as a contact."""
    people = {each.external_userid: Person(each.name, each.unionid) for each in details}
    member_ids = members_for(connection, people)
    members = lock_members(sorted(set(member_ids.values())))
    staff_ids = staff_for(connection, {f.userid for each in details for f in each.follows})
    told: dict[Pair, Told] = {}
    for each in details:
        for follow in each.follows:
            if (staff_id := staff_ids.get(follow.userid.lower())) is not None:
                member = members[member_ids[each.external_userid]]
                seen = follow if member.erased_at is None else replace(follow, remark="")
                pair = (staff_id, member.pk)
                _tell(told.setdefault(pair, Told(each.external_userid)), seen, read_at)
    counts, _rows = record_follows(connection, told)
    rename_members(members, {member_ids[key]: (key, p.name) for key, p in people.items()})
    counts["seen"] = len(told)
    return counts


def _tell(told: Told, follow: FollowInfo, read_at: datetime) -> None:
    told.facts.append(Seen(read_at, follow.created_at))
    if follow.created_at is not None:
        told.notes[follow.created_at] = Notes(
            remark=follow.remark[:120], add_way=follow.add_way, state=follow.state[:64]
        )


def staff_for(connection: WecomConnection, userids: Collection[str]) -> dict[str, int]:
    """The colleague of each userid, by the lower case of it. Whom the directory has not shown yet
    gets a row, and is asked for."""
    wanted = {userid.lower(): userid for userid in userids if userid}
    known = _staff_ids(connection, wanted)
    unknown = sorted(userid for key, userid in wanted.items() if key not in known)
    if unknown:
        seen = [StaffSeen(userid) for userid in unknown]
        observe_staff(connection.enterprise_id, seen, read_at=None)
        request_reads(connection, ReadKind.STAFF, unknown)
        known |= _staff_ids(connection, [userid.lower() for userid in unknown])
    return known


def _staff_ids(connection: WecomConnection, userids: Collection[str]) -> dict[str, int]:
    rows = Staff.objects.filter(enterprise=connection.enterprise_id)
    found = rows.annotate(lowered=Lower("external_id")).filter(lowered__in=list(userids))
    return dict(found.order_by("-pk").values_list("lowered", "pk"))


def rename_members(members: Mapping[int, Member], names: Mapping[int, tuple[str, str]]) -> None:
    """Members are called as on the platform if that is where they come from; those whom another
    system has named keep their name."""
    renamed = []
    for pk, (external_userid, name) in names.items():
        member = members[pk]
        is_theirs = member.external_id in ("", external_userid)
        if member.erased_at is not None:
            continue
        if is_theirs and name and member.nickname != name[:120]:
            member.nickname = name[:120]
            renamed.append(member)
    Member.objects.bulk_update(renamed, ["nickname"], batch_size=500)


# --- Who was not in the answer --------------------------------------------------------------------


def open_follows(connection: WecomConnection) -> QuerySet[Follow]:
    """The contacts that a complete list of a colleague's customers would show."""
    return Follow.objects.open().filter(channel_account=connection.account_id, is_mutual=True)


def follows_of(connection: WecomConnection, userids: Collection[str]) -> QuerySet[Follow]:
    staff_ids = _staff_ids(connection, [userid.lower() for userid in userids]).values()
    return open_follows(connection).filter(staff__in=list(staff_ids))


def unseen(follows: QuerySet[Follow], *, since: datetime) -> QuerySet[Follow]:
    """Those of which no reading since then has told."""
    return follows.filter(Q(seen_at=None) | Q(seen_at__lt=since - LAG))


def follows_not_shown(
    connection: WecomConnection, external_userid: str, userids: Collection[str]
) -> QuerySet[Follow]:
    """The contacts of a customer with colleagues beside these, as far as the platform would show
    them: not those of who has left or may not use customer contact."""
    rows = open_follows(connection).filter(external_userid=external_userid)
    visible = rows.filter(
        staff__can_use_customer_group=True, staff__platform_status=StaffPlatformStatus.ACTIVE
    )
    return visible.exclude(staff__in=list(_staff_ids(connection, userids).values()))


@transaction.atomic
def end_follows(
    connection: WecomConnection, follows: QuerySet[Follow], *, read_at: datetime
) -> Counter[str]:
    """They are no contacts any more, at the latest since ``read_at``; why, nobody told us."""
    counts: Counter[str] = Counter()
    for rows in batched(list(follows.order_by("member_id", "pk")), MISSING_AT_ONCE):
        lock_members(sorted({row.member_id for row in rows}))
        told = {
            (row.staff_id, row.member_id): Told(row.external_userid, facts=[Missing(read_at)])
            for row in rows
        }
        more, _rows = record_follows(connection, told)
        counts.update(more)
    return counts
