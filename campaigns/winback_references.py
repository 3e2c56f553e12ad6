"""What criteria may name of winback: a broadcast by which members are to be kept.

Its audience is whom an action of it is still planned for: not those of closed alerts, and never
those whom nobody is to contact.
"""

from __future__ import annotations

from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Broadcast, WinbackAction
from campaigns.models.broadcast import BroadcastQuerySet
from campaigns.rules.status import OPEN_ALERT
from campaigns.rules.winback import WinbackStatus
from campaigns.services.winback import WINBACK_OF
from members.metrics import Moment, Source, holding, register_measure
from members.metrics.measures import Rows
from scrm.accounts.models import User
from scrm.shared.criteria import REFERENCE, MetricDefinition, ValueType, Window
from scrm.shared.criterion_references import REFERENCES, Choice, ReferenceKind
from scrm.shared.sql import Sql, sql

MAX_DIGITS = 18


class WinbackReference(ReferenceKind):
    """A broadcast of winback, by its number."""

    unknown_code = "unknown_winback"

    def unknown_message(self, value: str) -> str:
        return _("没有编号为“%(code)s”的群发。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        pks = [int(value) for value in values if is_number(value)]
        rows = Broadcast.objects.filter(enterprise=enterprise_id, pk__in=pks)
        return {str(pk): name for pk, name in rows.values_list("pk", "name")}

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = _of_winback().visible_to(user).filter(name__icontains=search)
        ordered = rows.order_by("-pk").values_list("pk", "name")[:limit]
        return [Choice(str(pk), name) for pk, name in ordered]


def is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS


def _of_winback() -> BroadcastQuerySet:
    actions = WinbackAction.objects.filter(broadcast__isnull=False)
    return Broadcast.objects.filter(pk__in=actions.values("broadcast"))


def planned_messages(moment: Moment) -> Rows:
    actions = WinbackAction.objects.filter(
        enterprise=moment.enterprise,
        status=WinbackStatus.PLANNED,
        broadcast__isnull=False,
        alert__status__in=OPEN_ALERT,
        alert__is_held_out=False,
    )
    return actions.values("broadcast_id", member_id=F("alert__member_id"))


def of_broadcast(value: str, moment: Moment) -> Sql:
    return sql("r.broadcast_id = {}", int(value) if is_number(value) else 0)


MEASURE = holding(
    MetricDefinition(
        name=WINBACK_OF,
        label=gettext_lazy("挽回名单"),
        unit="",
        source=gettext_lazy("流失预警"),
        definition=gettext_lazy(
            "是否在这条挽回群发的名单里：动作还没执行、预警没有关闭；不干预的对照从不在内。"
        ),
        version=1,
        value_type=ValueType.WINBACK,
        operators=REFERENCE,
        takes_window=Window.NEVER,
    ),
    Source(planned_messages),
    of_broadcast,
)


def register_winbacks() -> None:
    """Make them known to the criterion language, and measurable."""
    REFERENCES.register(ValueType.WINBACK, WinbackReference())
    register_measure(MEASURE)
