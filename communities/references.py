"""What criteria may name of communities, their chats and owners, classification and tiers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext as _

from communities.models import ClassificationValue, Community, TierScheme
from communities.rules.status import ChatState
from scrm.accounts.models import Staff, User
from scrm.shared.criteria import ValueType
from scrm.shared.criterion_references import REFERENCES, Choice, ReferenceKind


class CommunityReference(ReferenceKind):
    unknown_code = "unknown_community"

    def unknown_message(self, value: str) -> str:
        return _("没有代码为“%(code)s”的社群。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        rows = Community.objects.filter(enterprise=enterprise_id, code__in=values)
        return dict(rows.values_list("code", "name"))

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = Community.objects.visible_to(user).filter(
            Q(code__icontains=search) | Q(name__icontains=search)
        )
        return _choices(rows.order_by("name", "pk").values_list("code", "name")[:limit])


class TierSchemeReference(ReferenceKind):
    unknown_code = "unknown_tier_scheme"

    def unknown_message(self, value: str) -> str:
        return _("没有代码为“%(code)s”的分层方案。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        rows = TierScheme.objects.filter(enterprise=enterprise_id, code__in=values)
        return dict(rows.values_list("code", "name"))

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = TierScheme.objects.visible_to(user).filter(
            Q(code__icontains=search) | Q(name__icontains=search)
        )
        return _choices(rows.order_by("name", "pk").values_list("code", "name")[:limit])


class ClassificationReference(ReferenceKind):
    """Named with its axis: ``region:shanghai``."""

    unknown_code = "unknown_classification"

    def unknown_message(self, value: str) -> str:
        return _("没有“%(code)s”这个分类，请写成“维度:值”。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        rows = self._named(ClassificationValue.objects.filter(axis__enterprise=enterprise_id))
        return dict(rows.filter(full_code__in=values).values_list("full_code", "full_name"))

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = self._named(ClassificationValue.objects.visible_to(user)).filter(
            Q(full_code__icontains=search) | Q(full_name__icontains=search)
        )
        ordered = rows.order_by("axis__name", "axis", "name", "pk")
        return _choices(ordered.values_list("full_code", "full_name")[:limit])

    def _named(self, rows: QuerySet[ClassificationValue]) -> Any:
        return rows.annotate(
            full_code=Concat(F("axis__code"), Value(":"), F("code"), output_field=CharField()),
            full_name=Concat(F("axis__name"), Value("："), F("name")),
        )


class StaffReference(ReferenceKind):
    """A colleague, by our number: not everybody has an account on the platform."""

    unknown_code = "unknown_staff"

    def unknown_message(self, value: str) -> str:
        return _("没有编号为“%(code)s”的员工。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        numbers = [int(value) for value in values if value.isdecimal() and len(value) < 19]
        rows = Staff.objects.filter(enterprise=enterprise_id, pk__in=numbers)
        return {str(pk): name for pk, name in rows.values_list("pk", "name")}

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = Staff.objects.visible_to(user).filter(name__icontains=search)
        found = rows.order_by("name", "pk").values_list("pk", "name")[:limit]
        return [Choice(str(pk), name) for pk, name in found]


class ChatStateReference(ReferenceKind):
    unknown_code = "unknown_chat_state"

    def unknown_message(self, value: str) -> str:
        return _("没有名为“%(code)s”的群状态。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return values & set(ChatState.values)

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        return {value: str(label) for value, label in ChatState.choices if value in values}

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        every = [Choice(value, str(label)) for value, label in ChatState.choices]
        return [one for one in every if search in one.value or search in one.label][:limit]


def _choices(rows: Iterable[tuple[str, str]]) -> list[Choice]:
    return [Choice(value, label) for value, label in rows]


def register_references() -> None:
    """Make them known to the criterion language."""
    REFERENCES.register(ValueType.COMMUNITY, CommunityReference())
    REFERENCES.register(ValueType.CLASSIFICATION, ClassificationReference())
    REFERENCES.register(ValueType.TIER_SCHEME, TierSchemeReference())
    REFERENCES.register(ValueType.STAFF, StaffReference())
    REFERENCES.register(ValueType.CHAT_STATE, ChatStateReference())
