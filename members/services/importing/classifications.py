"""The kind of file that classifies members along the enterprise's axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import ClassificationValue
from members.models import Member, MemberClassification
from members.models.import_run import ImportKind
from members.rules.rows import BadRow, Rejection, read_expiry, read_text, shown
from members.rules.standing import ClassificationSource
from members.services.classifying import grant_classification
from members.services.importing.layouts import Layout, Row, WriteBatch
from scrm.accounts.models import Enterprise
from scrm.shared.errors import DomainError

CLASSIFICATIONS = Layout(
    ImportKind.CLASSIFICATIONS,
    required=("external_id", "axis", "value"),
    optional=("expires_at",),
    batch_size=500,  # members are locked as long as a batch takes
)


@dataclass(frozen=True)
class Classified:
    """What became of a batch. A row that only moved the expiry counts as updated."""

    accepted: int
    updated: int
    duplicates: int
    rejects: Sequence[Rejection]


class Wanted(NamedTuple):
    """A row that was read: its place in the batch and what it says."""

    place: int
    external_id: str
    axis: str
    value: str
    expires_at: datetime | None


def classification_writer(enterprise: Enterprise) -> WriteBatch:
    """Grant each row as the word of an import; on an exclusive axis the last row counts."""

    def write(rows: Sequence[Row]) -> Classified:
        rejects: list[Rejection] = []
        wanted: list[Wanted] = []
        for index, row in enumerate(rows):
            try:
                wanted.append(read_row(index, row, enterprise))
            except BadRow as bad:
                rejects.append(Rejection(index, bad.code, bad.message))
        outcome = _Batch(enterprise, wanted).take()
        return Classified(
            outcome.accepted, outcome.updated, outcome.duplicates, [*rejects, *outcome.rejects]
        )

    return write


def read_row(index: int, row: Row, enterprise: Enterprise) -> Wanted:
    return Wanted(
        index,
        read_text(row[0], "external_id", limit=128),
        read_text(row[1], "axis", limit=40),
        read_text(row[2], "value", limit=40),
        read_expiry(row[3], "expires_at", zone=enterprise.zone, now=timezone.now()),
    )


class _Batch:
    """Rows with what they name looked up at once; what already stands so costs nothing more."""

    def __init__(self, enterprise: Enterprise, wanted: list[Wanted]) -> None:
        self.wanted = sorted(wanted, key=lambda each: (each.external_id, each.place))
        named = {each.external_id for each in wanted}
        members = Member.objects.filter(enterprise=enterprise, external_id__in=named)
        self.members = {member.external_id: member for member in members}
        values = ClassificationValue.objects.filter(
            axis__enterprise=enterprise, code__in={each.value for each in wanted}
        )
        self.values = {
            (value.axis.code, value.code): value for value in values.select_related("axis")
        }
        standing = MemberClassification.objects.filter(
            member__in=members, source=ClassificationSource.IMPORT, ended_at=None
        )
        self.standing = {
            (member, value): expires_at
            for member, value, expires_at in standing.values_list("member", "value", "expires_at")
        }
        self.accepted = self.updated = self.duplicates = 0
        self.rejects: list[Rejection] = []

    def take(self) -> _Batch:
        for each in self.wanted:
            try:
                self._grant(each)
            except BadRow as bad:
                self.rejects.append(Rejection(each.place, bad.code, bad.message))
            except DomainError as refusal:
                self.rejects.append(Rejection(each.place, refusal.code, refusal.message))
        return self

    def _grant(self, each: Wanted) -> None:
        member, value = self._found(each)
        key = (member.pk, value.pk)
        if key in self.standing and self.standing[key] == each.expires_at:
            self.duplicates += 1
            return
        granted = grant_classification(
            member,
            value=value,
            source=ClassificationSource.IMPORT,
            actor=None,
            expires_at=each.expires_at,
        )
        self.updated += key in self.standing
        self.accepted += key not in self.standing
        if value.axis.is_exclusive:
            self._forget_others(member, value)
        self.standing[key] = granted.expires_at

    def _found(self, each: Wanted) -> tuple[Member, ClassificationValue]:
        member = self.members.get(each.external_id)
        if member is None:
            words = {"id": shown(each.external_id)}
            raise BadRow("unknown_member", _("没有客户编号为“%(id)s”的成员。") % words)
        if member.erased_at is not None:
            raise BadRow("erased", _("这位客户的个人信息已应本人要求抹除，不再导入。"))
        value = self.values.get((each.axis, each.value))
        if value is None:
            words = {"axis": shown(each.axis), "value": shown(each.value)}
            raise BadRow("unknown_classification", _("没有“%(axis)s:%(value)s”这个分类。") % words)
        return member, value

    def _forget_others(self, member: Member, value: ClassificationValue) -> None:
        on_axis = {known.pk for known in self.values.values() if known.axis_id == value.axis_id}
        for other in on_axis - {value.pk}:
            self.standing.pop((member.pk, other), None)
