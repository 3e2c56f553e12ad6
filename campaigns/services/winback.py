"""Keeping those who are about to fall silent: a colleague's call, a message, a benefit.

All three take many alerts at once. An alert that cannot be acted on, because it is closed, held
out for comparison or has the same planned already, is told with its reason and keeps nobody else
from being written to. None of them is about an alert that is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import (
    AlertIsClosed,
    AlertIsHeldOut,
    BadCost,
    BenefitMissing,
    ChannelIsOff,
    NothingToWinBack,
    TooManyAlerts,
    WinbackIsPlanned,
)
from campaigns.models import Broadcast, ChurnAlert, WinbackAction
from campaigns.rules.alerts import silence_is_declared_on
from campaigns.rules.status import OPEN_ALERT, AlertStatus, BroadcastTarget
from campaigns.rules.winback import MOST_AT_ONCE, WinbackKind, WinbackStatus
from campaigns.selectors.accounts import account_of
from campaigns.services.composing import create_broadcast, edit_broadcast
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import OperatorTask, User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.accounts.services.operator_tasks import Asked, open_tasks
from scrm.shared.criteria import Clause, Criterion, Operator
from scrm.wecom.models import ChannelAccount

WINBACK_OF = "winback_of"
NOT_FOUND = "not_found"
MOST_COST = 10_000_000  # 分 for one member: more is a slip of the hand
AUDITED = ("kind", "alert_id", "benefit", "cost_amount", "note")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is planned for one of the alerts."""

    alert_id: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Planned:
    actions: list[WinbackAction]
    refused: list[Refused] = field(default_factory=list)
    broadcast: Broadcast | None = None


@transaction.atomic
def plan_tasks(alert_ids: Sequence[int], *, note: str = "", actor: User) -> Planned:
    """Ask whoever looks after each of the members to talk to them before they count as lost."""
    alerts, refused = _taken(alert_ids, WinbackKind.TASK, actor=actor)
    tasks = open_tasks(TaskKind.WINBACK, [_asked(alert, note) for alert in alerts])
    actions = _planned(alerts, WinbackKind.TASK, note=note, tasks=tasks, actor=actor)
    return Planned(actions, refused)


@transaction.atomic
def plan_benefits(
    alert_ids: Sequence[int],
    *,
    benefit: str,
    cost_amount: int = 0,
    note: str = "",
    actor: User,
) -> Planned:
    """Give each of the members something, which a colleague does by hand and then says so."""
    benefit = benefit.strip()
    if not benefit:
        raise BenefitMissing(_("请写明发什么权益，例如优惠券的名称或批次号。"))
    _refuse_cost(cost_amount)
    alerts, refused = _taken(alert_ids, WinbackKind.BENEFIT, actor=actor)
    actions = _planned(
        alerts,
        WinbackKind.BENEFIT,
        note=note,
        benefit=benefit,
        cost_amount=cost_amount,
        actor=actor,
    )
    return Planned(actions, refused)


@transaction.atomic
def plan_message(
    alert_ids: Sequence[int],
    *,
    name: str,
    body: str,
    channel_account: ChannelAccount | None = None,
    benefit: str = "",
    cost_amount: int = 0,
    note: str = "",
    actor: User,
) -> Planned:
    """Draft one broadcast to the members of the alerts. It is checked, approved and sent like any
    other, and what becomes of it is what becomes of the actions. ``cost_amount`` is of each."""
    _refuse_cost(cost_amount)
    alerts, refused = _taken(alert_ids, WinbackKind.MESSAGE, actor=actor)
    communities = Community.objects.filter(pk__in={alert.community_id for alert in alerts})
    draft = create_broadcast(
        actor=actor,
        name=name,
        category=ContentCategory.BENEFIT,
        body=body,
        target=BroadcastTarget.MEMBERS,
        communities=list(communities.order_by("pk")),
        channel_account=channel_account or _account_for(alerts[0].community),
        cost_amount=cost_amount * len(alerts),
    )
    actions = _planned(
        alerts,
        WinbackKind.MESSAGE,
        note=note,
        broadcast=draft,
        benefit=benefit.strip(),
        cost_amount=cost_amount,
        actor=actor,
    )
    audience = Criterion(Clause(WINBACK_OF, Operator.IS, str(draft.pk)))
    return Planned(actions, refused, edit_broadcast(draft.pk, criterion=audience, actor=actor))


def _account_for(community: Community) -> ChannelAccount:
    account = account_of(community)
    if account is None:
        raise ChannelIsOff(_("还没有启用的渠道账号，无法起草消息，请先启用一个。"))
    return account


def _refuse_cost(cost_amount: int) -> None:
    if not 0 <= cost_amount <= MOST_COST:
        raise BadCost(_("每人的成本应在 0 到 10 万元之间。"))


# --- which of the alerts ---


def _taken(
    alert_ids: Sequence[int], kind: WinbackKind, *, actor: User
) -> tuple[list[ChurnAlert], list[Refused]]:
    """The alerts that can be acted on, locked and under way now, and the others with the reason."""
    if len(alert_ids) > MOST_AT_ONCE:
        raise TooManyAlerts(_("一次最多 %(most)d 条预警，请分几次。") % {"most": MOST_AT_ONCE})
    rows = ChurnAlert.objects.within(actor).filter(pk__in=set(alert_ids)).order_by("pk")
    locked = rows.select_for_update(no_key=True, of=("self",))
    found = {alert.pk: alert for alert in locked.select_related("member", "community", "assignee")}
    planned = WinbackAction.objects.filter(alert__in=found, kind=kind, status=WinbackStatus.PLANNED)
    taken_before = set(planned.values_list("alert", flat=True))
    alerts, refused = [], []
    for alert_id in dict.fromkeys(alert_ids):
        refusal = _refusal_of(found.get(alert_id), taken_before)
        if refusal is None:
            alerts.append(found[alert_id])
        else:
            code = getattr(refusal, "code", NOT_FOUND)
            refused.append(Refused(alert_id, code, str(refusal)))
    if not alerts:
        raise NothingToWinBack(
            _("所选的预警都不能处理：%(reason)s") % {"reason": refused[0].message}
            if refused
            else _("请至少选择一条预警。"),
            details=[{"alert": one.alert_id, "code": one.code} for one in refused],
        )
    _begin(alerts, actor=actor)
    return alerts, refused


def _refusal_of(alert: ChurnAlert | None, taken_before: set[int]) -> Exception | None:
    if alert is None:
        return LookupError(_("没有这条预警。"))
    if alert.is_held_out:
        return AlertIsHeldOut(_("这条预警是不干预的对照，不能处理。"))
    if alert.status not in OPEN_ALERT:
        return AlertIsClosed(_("这条预警已关闭。"))
    if alert.pk in taken_before:
        return WinbackIsPlanned(_("这条预警已有同样的待执行动作。"))
    return None


def _begin(alerts: list[ChurnAlert], *, actor: User) -> None:
    """Whoever acts on an alert is at it; nobody else's alert changes hands."""
    for alert in alerts:
        alert.status = AlertStatus.INTERVENING
        alert.assignee_id = alert.assignee_id or actor.staff_id
    ChurnAlert.objects.bulk_update(alerts, ["status", "assignee"])


# --- what is written down ---


def _asked(alert: ChurnAlert, note: str) -> Asked:
    names = {"member": alert.member.nickname, "community": alert.community.name}
    zone = alert.community.enterprise.zone
    deadline = silence_is_declared_on(alert.last_active_on or alert.opened_on)
    return Asked(
        subject=alert,
        title=_("联系“%(member)s”（%(community)s），可能要流失") % names,
        details={"words": note.strip()} if note.strip() else {},
        assignee=alert.assignee,
        due_at=datetime.combine(deadline, time.min, tzinfo=zone),
    )


def _planned(
    alerts: list[ChurnAlert],
    kind: WinbackKind,
    *,
    note: str,
    actor: User,
    tasks: Sequence[OperatorTask] = (),
    broadcast: Broadcast | None = None,
    benefit: str = "",
    cost_amount: int = 0,
) -> list[WinbackAction]:
    task_of = {task.object_id: task for task in tasks}
    actions = WinbackAction.objects.bulk_create(
        WinbackAction(
            enterprise_id=alert.enterprise_id,
            alert=alert,
            kind=kind,
            broadcast=broadcast,
            task=task_of.get(alert.pk),
            benefit=benefit,
            cost_amount=cost_amount,
            note=note.strip(),
            created_by=actor,
        )
        for alert in alerts
    )
    for action in actions:
        record_audit(actor, verb="plan_winback", subject=action, after=snapshot(action, AUDITED))
    return actions
