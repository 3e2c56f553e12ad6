"""The kind of file that brings members, and lets them into a community by its own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import AlreadyApplied, AlreadyMember
from members.models import Member
from members.models.import_run import ImportKind
from members.rules.rows import (
    BadRow,
    Rejection,
    read_birthday,
    read_optional_text,
    read_text,
)
from members.rules.status import ApplicationStatus, JoinSource
from members.services.importing.layouts import Layout, Row, WriteBatch
from members.services.joining import apply_for_entry
from members.services.newcomers import agree_to_profiling
from members.services.registering import add_member, learn_birthday
from scrm.accounts.models import Enterprise
from scrm.shared.errors import DomainError

MEMBERS = Layout(
    ImportKind.MEMBERS,
    required=("external_id", "nickname"),
    optional=("phone", "birthday"),
    batch_size=100,  # the community is locked as long as a batch takes, and others join meanwhile
)


@dataclass(frozen=True)
class Newcomers:
    """What became of a batch of members."""

    accepted: int
    duplicates: int
    rejects: Sequence[Rejection]


def member_writer(
    enterprise: Enterprise, *, community: Community | None, consent_text: str = ""
) -> WriteBatch:
    """Put each row on file, and apply for entry on its behalf.

    ``consent_text`` is the version of the text under which those who are new have agreed to
    profiling.

    Who is there already counts as a duplicate; who is not admitted is kept on file and reported
    with the clauses that failed.
    """

    def write(rows: Sequence[Row]) -> Newcomers:
        accepted, duplicates = 0, 0
        rejects: list[Rejection] = []
        for index, row in enumerate(rows):
            try:
                is_new = take_row(enterprise, row, community=community, consent_text=consent_text)
            except BadRow as bad:
                rejects.append(Rejection(index, bad.code, bad.message))
            except (AlreadyMember, AlreadyApplied):
                duplicates += 1
            except DomainError as refusal:
                rejects.append(Rejection(index, refusal.code, refusal.message))
            else:
                accepted += is_new
                duplicates += not is_new
        return Newcomers(accepted, duplicates, rejects)

    return write


def take_row(
    enterprise: Enterprise, row: Row, *, community: Community | None, consent_text: str = ""
) -> bool:
    """Whether the row brought anything new."""
    external_id = read_text(row[0], "external_id", limit=128)
    nickname = read_text(row[1], "nickname", limit=120)
    phone = read_optional_text(row[2], "phone", limit=40)
    birthday = read_birthday(row[3], "birthday")
    member = Member.objects.filter(enterprise=enterprise, external_id=external_id).first()
    is_new = member is None
    if member is not None and member.erased_at is not None:
        raise BadRow("erased", _("这位客户的个人信息已应本人要求抹除，不再导入。"))
    if member is None:
        member = add_member(
            enterprise,
            external_id=external_id,
            actor=None,
            nickname=nickname,
            phone=phone,
            birthday=birthday,
        )
        if consent_text:
            agree_to_profiling(enterprise, [member.pk], text_version=consent_text)
    else:
        is_new = learn_birthday(member, birthday)
    if community is None:
        return is_new
    application = apply_for_entry(member, community=community, source=JoinSource.IMPORT, actor=None)
    if application.status == ApplicationStatus.REJECTED:
        raise BadRow("not_admitted", _("未通过准入：%(reason)s") % {"reason": application.reason})
    return True
