"""The record of predictions: month by month and by model version, beside what acting on alerts
does. Read from the checks of scores and from the alerts; nothing is kept twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Count, DurationField, Exists, ExpressionWrapper, F, OuterRef
from django.db.models.functions import TruncMonth

from campaigns.models import ChurnAlert, WinbackAction
from campaigns.rules.alert_quality import (
    AlertGroup,
    Check,
    Checked,
    Effect,
    Judged,
    by_cause,
    effect_of,
    judged,
    together,
)
from campaigns.rules.alerts import SILENT_DAYS
from campaigns.rules.status import AlertCause
from campaigns.rules.winback import WinbackStatus
from communities.models import Community
from members.models import ScoreCheck
from scrm.accounts.models import User

MOST_MONTHS = 36
MONTHS = 12


@dataclass(frozen=True, slots=True)
class MonthOfModel:
    """One model version in one month. ``checked`` is None before the first check, ``alerts`` where
    none was raised; a backtest has no alerts."""

    month: date
    model_version: str
    is_backtest: bool
    checked: Checked | None
    alerts: Judged | None


@dataclass(frozen=True, slots=True)
class Quality:
    """``checked`` and ``backtested`` are all months together."""

    since: date
    months: list[MonthOfModel]
    checked: Checked | None
    backtested: Checked | None
    alerts: Judged
    causes: dict[AlertCause, Judged]
    effect: Effect


def quality_for(
    user: User, *, today: date, months: int = MONTHS, community: Community | None = None
) -> Quality:
    """Of what the user may see, from the first of the month so many months ago."""
    since = first_of(today, months)
    checks = checks_for(user, since=since, community=community)
    groups = groups_for(user, since=since, community=community)
    live = [check for check in checks if not check.is_backtest]
    back = [check for check in checks if check.is_backtest]
    return Quality(
        since=since,
        months=months_of(checks, groups),
        checked=together(live) if live else None,
        backtested=together(back) if back else None,
        alerts=judged(groups),
        causes=by_cause(groups),
        effect=effect_of(groups),
    )


def first_of(today: date, months: int) -> date:
    """The first day of the month so many months ago, this one being the first."""
    number = today.year * 12 + today.month - min(max(months, 1), MOST_MONTHS)
    return date(number // 12, number % 12 + 1, 1)


def months_of(checks: list[Check], groups: list[AlertGroup]) -> list[MonthOfModel]:
    """The newest first."""
    checked: dict[tuple[date, str, bool], list[Check]] = {}
    for check in checks:
        key = (check.cut.replace(day=1), check.model_version, check.is_backtest)
        checked.setdefault(key, []).append(check)
    raised: dict[tuple[date, str, bool], list[AlertGroup]] = {}
    for group in groups:
        raised.setdefault((group.month, group.model_version, False), []).append(group)
    return [
        MonthOfModel(
            month=month,
            model_version=version,
            is_backtest=is_backtest,
            checked=together(checked[key]) if key in checked else None,
            alerts=judged(raised[key]) if key in raised else None,
        )
        for key in sorted({*checked, *raised}, reverse=True)
        for month, version, is_backtest in [key]
    ]


def checks_for(user: User, *, since: date, community: Community | None = None) -> list[Check]:
    rows = ScoreCheck.objects.visible_to(user).filter(cut__gte=since)
    if community is not None:
        rows = rows.filter(community=community)
    found = rows.order_by("cut", "pk").values_list(
        "cut", "model_version", "is_backtest", "scored_count", "churned_count", "figures"
    )
    return [Check(*row) for row in found.iterator()]


def groups_for(user: User, *, since: date, community: Community | None = None) -> list[AlertGroup]:
    """Alerts counted by what they have in common, with those that are held out."""
    mine = ChurnAlert.objects.filter(enterprise=user.enterprise_id, opened_on__gte=since)
    alerts = mine.within(user)
    if community is not None:
        alerts = alerts.filter(community=community)
    done = WinbackAction.objects.filter(alert=OuterRef("pk"), status=WinbackStatus.DONE)
    gap = ExpressionWrapper(F("last_active_on") - F("opened_on"), DurationField())
    rows = (
        alerts.annotate(month=TruncMonth("opened_on"), is_acted_on=Exists(done), gap=gap)
        .order_by()
        .values_list(
            "month", "model_version", "cause", "is_held_out", "is_acted_on", "outcome", "gap"
        )
        .annotate(n=Count("pk"))
    )
    return [
        AlertGroup(
            month=month,
            model_version=version,
            cause=cause,
            is_held_out=is_held_out,
            is_acted_on=is_acted_on,
            outcome=outcome,
            notice_days=None if gap is None else SILENT_DAYS + gap.days,
            n=n,
        )
        for month, version, cause, is_held_out, is_acted_on, outcome, gap, n in rows
    ]
