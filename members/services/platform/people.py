"""Members as the platform knows them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection as database
from django.db import transaction

from members.models.member import IdentityKind
from scrm.shared.crypto import lookup_digest
from scrm.wecom.models import WecomConnection

logger = logging.getLogger(__name__)

LONGEST_NAME, LONGEST_VALUE = 120, 64

# As statements of their own, because a first reading brings people by the thousand. Rows are
# inserted in one order, so that two readings at once do not wait for each other in a circle.
KNOWN = """
SELECT identity.kind, identity.digest, identity.member_id, member.nickname = ''
FROM members_memberidentity identity JOIN members_member member ON member.id = identity.member_id
WHERE identity.enterprise_id = %(enterprise)s
  AND identity.kind = ANY(%(kinds)s) AND identity.digest = ANY(%(digests)s)
"""
INTRODUCE = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, given.external_id, given.name, ''
FROM unnest(%(ids)s::text[], %(names)s::text[]) AS given (external_id, name)
ORDER BY given.external_id
ON CONFLICT (enterprise_id, external_id) DO NOTHING
"""
FILES = """
SELECT external_id, id FROM members_member
WHERE enterprise_id = %(enterprise)s AND external_id = ANY(%(ids)s)
"""
IDENTIFY = """
INSERT INTO members_memberidentity (enterprise_id, member_id, kind, digest, value)
SELECT %(enterprise)s, given.member_id, %(kind)s, given.digest, given.value
FROM unnest(%(members)s::bigint[], %(digests)s::text[], %(values)s::text[])
    AS given (member_id, digest, value)
ORDER BY given.digest
ON CONFLICT (enterprise_id, kind, digest) DO NOTHING
RETURNING digest, member_id
"""
# A file that was made before the name was read gets it; what an operator wrote is left alone.
NAME = """
UPDATE members_member member SET nickname = given.name
FROM unnest(%(ids)s::bigint[], %(names)s::text[]) AS given (id, name)
WHERE member.id = given.id AND member.nickname = ''
"""


@dataclass(frozen=True, slots=True)
class Person:
    """What the platform says about an outsider; empty where it does not say."""

    name: str = ""
    unionid: str = ""


@dataclass(slots=True)
class _Known:
    """Whom the outside names belong to: members by external_userid and by unionid."""

    by_userid: dict[str, int] = field(default_factory=dict)
    by_unionid: dict[str, int] = field(default_factory=dict)
    nameless: set[int] = field(default_factory=set)


@transaction.atomic
def members_for(connection: WecomConnection, people: Mapping[str, Person]) -> dict[str, int]:
    """The member of each external_userid; who is not known yet gets a file.

    Who is known by unionid, or by this very number, keeps their file and is known by both from
    then on. Two who ask for the same person at once get the same member.
    """
    if not people:
        return {}
    enterprise_id = connection.enterprise_id
    userids = _digests(enterprise_id, IdentityKind.EXTERNAL_USERID, people)
    unionids = _digests(
        enterprise_id, IdentityKind.UNIONID, (who.unionid for who in people.values())
    )
    known = _known(enterprise_id, userids, unionids)
    if any(each not in known.by_userid for each in people):
        _introduce(enterprise_id, people, known, userids)
    _link_unionids(enterprise_id, people, known, unionids)
    _name(people, known)
    return {each: known.by_userid[each] for each in people}


def _digests(enterprise_id: int, kind: IdentityKind, names: Iterable[str]) -> dict[str, str]:
    return {
        lookup_digest(name, purpose=kind, enterprise_id=enterprise_id): name
        for name in names
        if name
    }


def _known(enterprise_id: int, userids: Mapping[str, str], unionids: Mapping[str, str]) -> _Known:
    rows = _rows(
        KNOWN,
        enterprise=enterprise_id,
        kinds=[IdentityKind.EXTERNAL_USERID.value, IdentityKind.UNIONID.value],
        digests=[*userids, *unionids],
    )
    known = _Known()
    for kind, digest, member_id, is_nameless in rows:
        if kind == IdentityKind.EXTERNAL_USERID and digest in userids:
            known.by_userid[userids[digest]] = member_id
        elif kind == IdentityKind.UNIONID and digest in unionids:
            known.by_unionid[unionids[digest]] = member_id
        if is_nameless:
            known.nameless.add(member_id)
    return known


def _introduce(
    enterprise_id: int,
    people: Mapping[str, Person],
    known: _Known,
    userids: Mapping[str, str],
) -> None:
    """Files for those without one, and their names on the platform for all who are new to us."""
    strangers = {each: who for each, who in people.items() if each not in known.by_userid}
    new = [each for each, who in strangers.items() if who.unionid not in known.by_unionid]
    names = [strangers[each].name[:LONGEST_NAME] for each in new]
    _rows(INTRODUCE, enterprise=enterprise_id, ids=new, names=names)
    files = dict(_rows(FILES, enterprise=enterprise_id, ids=new))
    owners = {
        digest: files.get(each) or known.by_unionid[strangers[each].unionid]
        for digest, each in userids.items()
        if each in strangers
    }
    values = {digest: userids[digest][:LONGEST_VALUE] for digest in owners}
    linked = _identify(enterprise_id, IdentityKind.EXTERNAL_USERID, owners, values)
    known.by_userid |= {userids[digest]: member_id for digest, member_id in linked.items()}
    others = {digest: each for digest, each in userids.items() if each not in known.by_userid}
    if others:  # somebody else was quicker
        known.by_userid |= _known(enterprise_id, others, {}).by_userid


def _link_unionids(
    enterprise_id: int,
    people: Mapping[str, Person],
    known: _Known,
    unionids: Mapping[str, str],
) -> None:
    claimed: dict[str, int] = {}
    for each, who in people.items():
        if not who.unionid:
            continue
        member_id = known.by_userid[each]
        if who.unionid not in known.by_unionid:
            claimed.setdefault(who.unionid, member_id)
        elif known.by_unionid[who.unionid] != member_id:
            logger.info(
                "Two members have one unionid.",
                extra={"members": [known.by_unionid[who.unionid], member_id]},
            )
    owners = {digest: claimed[name] for digest, name in unionids.items() if name in claimed}
    _identify(enterprise_id, IdentityKind.UNIONID, owners, dict.fromkeys(owners, ""))


def _identify(
    enterprise_id: int,
    kind: IdentityKind,
    owners: Mapping[str, int],
    values: Mapping[str, str],
) -> dict[str, int]:
    """Make members findable by these digests; one that is taken stays with whom it belongs to."""
    if not owners:
        return {}
    rows = _rows(
        IDENTIFY,
        enterprise=enterprise_id,
        kind=kind.value,
        members=list(owners.values()),
        digests=list(owners),
        values=[values[digest] for digest in owners],
    )
    return dict(rows)


def _name(people: Mapping[str, Person], known: _Known) -> None:
    names = {
        known.by_userid[each]: who.name[:LONGEST_NAME]
        for each, who in people.items()
        if who.name and known.by_userid[each] in known.nameless
    }
    if names:
        ids = sorted(names)
        _rows(NAME, ids=ids, names=[names[member_id] for member_id in ids])


def _rows(statement: str, **values: Any) -> list[Any]:
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
