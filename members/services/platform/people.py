"""Members as the platform knows them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import connection as database
from django.db import transaction

from members.models import Member, MemberIdentity
from members.models.member import IdentityKind
from scrm.shared.crypto import lookup_digest
from scrm.wecom.models import WecomConnection

logger = logging.getLogger(__name__)

LONGEST_NAME, LONGEST_VALUE = 120, 64

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
    """Whose identities are on file: by kind and outside name, the member."""

    by_userid: dict[str, int]
    by_unionid: dict[str, int]
    nameless: set[int]


@transaction.atomic
def members_for(connection: WecomConnection, people: Mapping[str, Person]) -> dict[str, int]:
    """The member of each external_userid; who is not known yet gets a file.

    Who is known by unionid, or by this very number, keeps their file and is known by both from
    then on. Two who ask for the same person at once get the same member.
    """
    if not people:
        return {}
    enterprise_id = connection.enterprise_id
    known = _known(enterprise_id, people)
    strangers = {each: who for each, who in people.items() if each not in known.by_userid}
    if strangers:
        _introduce(enterprise_id, strangers, known)
    _link_unionids(enterprise_id, people, known)
    _name(people, known)
    return {each: known.by_userid[each] for each in people}


def _known(enterprise_id: int, people: Mapping[str, Person]) -> _Known:
    userids = _digests(enterprise_id, IdentityKind.EXTERNAL_USERID, people)
    unionids = _digests(
        enterprise_id, IdentityKind.UNIONID, (who.unionid for who in people.values())
    )
    rows = MemberIdentity.objects.filter(
        enterprise=enterprise_id,
        kind__in=[IdentityKind.EXTERNAL_USERID, IdentityKind.UNIONID],
        digest__in=[*userids, *unionids],
    ).values_list("kind", "digest", "member_id", "member__nickname")
    known = _Known({}, {}, set())
    for kind, digest, member_id, nickname in rows:
        if kind == IdentityKind.EXTERNAL_USERID and digest in userids:
            known.by_userid[userids[digest]] = member_id
        elif kind == IdentityKind.UNIONID and digest in unionids:
            known.by_unionid[unionids[digest]] = member_id
        if not nickname:
            known.nameless.add(member_id)
    return known


def _digests(enterprise_id: int, kind: IdentityKind, names: Iterable[str]) -> dict[str, str]:
    return {
        lookup_digest(name, purpose=kind, enterprise_id=enterprise_id): name
        for name in names
        if name
    }


def _introduce(enterprise_id: int, strangers: Mapping[str, Person], known: _Known) -> None:
    """Files for those without one, and their names on the platform for all of them."""
    new = [each for each, who in strangers.items() if who.unionid not in known.by_unionid]
    Member.objects.bulk_create(
        (
            Member(
                enterprise_id=enterprise_id,
                external_id=each,
                nickname=strangers[each].name[:LONGEST_NAME],
            )
            for each in sorted(new)
        ),
        ignore_conflicts=True,
    )
    files = dict(
        Member.objects.filter(enterprise=enterprise_id, external_id__in=new).values_list(
            "external_id", "pk"
        )
    )
    owners = {
        each: files[each] if each in files else known.by_unionid[who.unionid]
        for each, who in strangers.items()
    }
    _identify(enterprise_id, IdentityKind.EXTERNAL_USERID, owners)
    again = _known(enterprise_id, {each: Person() for each in strangers})
    known.by_userid.update(again.by_userid)
    known.nameless |= again.nameless


def _link_unionids(enterprise_id: int, people: Mapping[str, Person], known: _Known) -> None:
    missing: dict[str, int] = {}
    for each, who in people.items():
        if not who.unionid:
            continue
        member_id = known.by_userid[each]
        if who.unionid not in known.by_unionid:
            missing.setdefault(who.unionid, member_id)
        elif known.by_unionid[who.unionid] != member_id:
            logger.info(
                "Two members have one unionid.",
                extra={"members": [known.by_unionid[who.unionid], member_id]},
            )
    if missing:
        _identify(enterprise_id, IdentityKind.UNIONID, missing)


def _identify(enterprise_id: int, kind: IdentityKind, owners: Mapping[str, int]) -> None:
    """Make members findable by these names; a name that somebody has stays theirs."""
    keeps_value = kind == IdentityKind.EXTERNAL_USERID
    MemberIdentity.objects.bulk_create(
        (
            MemberIdentity(
                enterprise_id=enterprise_id,
                member_id=member_id,
                kind=kind,
                digest=lookup_digest(name, purpose=kind, enterprise_id=enterprise_id),
                value=name[:LONGEST_VALUE] if keeps_value else "",
            )
            for name, member_id in sorted(owners.items())
        ),
        ignore_conflicts=True,
    )


def _name(people: Mapping[str, Person], known: _Known) -> None:
    names = {
        known.by_userid[each]: who.name[:LONGEST_NAME]
        for each, who in people.items()
        if who.name and known.by_userid[each] in known.nameless
    }
    if names:
        with database.cursor() as cursor:
            cursor.execute(NAME, {"ids": sorted(names), "names": [names[k] for k in sorted(names)]})
