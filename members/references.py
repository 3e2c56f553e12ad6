"""What criteria may name of members: tags, purposes of consent, kinds of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.models import Tag
from members.rules.standing import ConsentPurpose
from members.rules.values import Behaviour, RfmSegment, ValueBand
from scrm.accounts.models import User
from scrm.shared.criteria import ValueType
from scrm.shared.criterion_references import REFERENCES, Choice, ReferenceKind

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


class TagReference(ReferenceKind):
    unknown_code = "unknown_tag"

    def unknown_message(self, value: str) -> str:
        return _("没有代码为“%(code)s”的标签。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        rows = Tag.objects.filter(enterprise=enterprise_id, code__in=values)
        return dict(rows.values_list("code", "name"))

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = Tag.objects.visible_to(user).filter(
            Q(code__icontains=search) | Q(name__icontains=search)
        )
        ordered = rows.order_by("name", "pk").values_list("code", "name")[:limit]
        return [Choice(code, name) for code, name in ordered]


class PurposeReference(ReferenceKind):
    unknown_code = "unknown_purpose"

    def unknown_message(self, value: str) -> str:
        return _("没有名为“%(code)s”的授权用途。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return values & set(ConsentPurpose.values)

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        return {value: str(label) for value, label in ConsentPurpose.choices if value in values}

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        every = [Choice(value, str(label)) for value, label in ConsentPurpose.choices]
        return [one for one in every if search in one.value or search in one.label][:limit]


class KindReference(ReferenceKind):
    """One of a fixed set of kinds."""

    def __init__(self, kinds: type[TextChoices], code: str, what: StrPromise) -> None:
        self.kinds, self.unknown_code, self.what = kinds, code, what

    def unknown_message(self, value: str) -> str:
        known = "、".join(value for value in self.kinds.values if value)
        words = {"what": self.what, "code": value, "known": known}
        return _("没有名为“%(code)s”的%(what)s，可用：%(known)s。") % words

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return values & set(self.kinds.values)

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        return {value: str(label) for value, label in self.kinds.choices if value in values}

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        every = [Choice(value, str(label)) for value, label in self.kinds.choices]
        return [one for one in every if search in one.value or search in one.label][:limit]


def register_references() -> None:
    """Make them known to the criterion language."""
    REFERENCES.register(ValueType.TAG, TagReference())
    REFERENCES.register(ValueType.PURPOSE, PurposeReference())
    kinds: tuple[tuple[ValueType, type[TextChoices], StrPromise], ...] = (
        (ValueType.RFM_SEGMENT, RfmSegment, gettext_lazy("RFM 分群")),
        (ValueType.VALUE_BAND, ValueBand, gettext_lazy("价值档")),
        (ValueType.BEHAVIOUR, Behaviour, gettext_lazy("行为标签")),
    )
    for value_type, names, what in kinds:
        code = f"unknown_{value_type.value}"
        REFERENCES.register(value_type, KindReference(names, code, what))
