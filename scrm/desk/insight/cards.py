"""Figures as cards: the number, how it moved, what it means, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from communities.metrics import COMMUNITY_METRICS
from scrm.shared.figures import Better, Figure, FigureDefinition, FigureUnit
from scrm.shared.money import in_yuan

NOTHING = "—"
#: From so much of what a community is told being advertising on, it is coloured.
ADVERT_MARKS = (("danger", 0.6), ("warning", 0.3))
#: A change of less than this share of the former value is said to be none.
STEADY = 0.005
MANY = 10_000  # minor units


@dataclass(frozen=True)
class FigureCard:
    """``tone`` is good, bad or flat for the change; ``alarm`` is danger, warning or nothing."""

    name: str
    label: str
    value: str
    change: str
    tone: str
    note: str
    count: str
    hint: str
    alarm: str


def cards_of(
    names: Sequence[str], now: Mapping[str, Figure], before: Mapping[str, Figure]
) -> list[FigureCard]:
    """In the order of ``names``; those that nobody registered are left out."""
    definitions = [COMMUNITY_METRICS.get(name) for name in names]
    return [
        card_of(definition, now.get(definition.name), before.get(definition.name))
        for definition in definitions
        if definition is not None
    ]


def card_of(definition: FigureDefinition, now: Figure | None, before: Figure | None) -> FigureCard:
    value = now.value if now else None
    former = before.value if before else None
    change, tone = change_of(definition, value, former)
    note = str(now.note) if now else _("还没有计算，每天凌晨更新。")
    return FigureCard(
        name=definition.name,
        label=str(definition.label),
        value=figure_in_words(value, definition.unit),
        change=change,
        tone=tone,
        note=note,
        count=_("样本 %(n)s") % {"n": f"{now.n:,}"} if now and now.n is not None else "",
        hint=hint_of(definition),
        alarm=alarm_of(definition.name, value),
    )


def hint_of(definition: FigureDefinition) -> str:
    return _("%(definition)s（来源：%(source)s，定义第 %(version)d 版）") % {
        "definition": str(definition.definition).rstrip("。"),
        "source": definition.source,
        "version": definition.version,
    }


def figure_in_words(value: float | None, unit: FigureUnit) -> str:
    if value is None:
        return NOTHING
    match unit:
        case FigureUnit.SHARE:
            return percent(value)
        case FigureUnit.INDEX:
            return f"{value:.2f}"
        case FigureUnit.SCORE:
            return f"{value:.0f}"
        case FigureUnit.MONEY:
            return money(value)
        case FigureUnit.DAYS:
            return _("%(count)s 天") % {"count": number(value)}
    return number(value)


def money(value: float) -> str:
    """Whole yuan where they are many: a sum over people is no bill."""
    return in_yuan(round(value) if abs(value) < MANY else round(value / 100) * 100)


def number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


def percent(share: float) -> str:
    """One digit behind the point, two where it is small: 98% active beside 0.84% who buy."""
    return f"{100 * share:.2f}%" if 0 < abs(share) < 0.01 else f"{100 * share:.1f}%"


def change_of(
    definition: FigureDefinition, now: float | None, before: float | None
) -> tuple[str, str]:
    """How it moved in four weeks, and whether that is good."""
    if now is None or before is None:
        return "", "flat"
    change = now - before
    if abs(change) <= STEADY * abs(before):
        return _("与 4 周前持平"), "flat"
    if definition.unit == FigureUnit.SHARE:
        words = _("%(points)+.1f 个百分点") % {"points": 100 * change}
    else:
        sign = "+" if change > 0 else "−"
        words = sign + figure_in_words(abs(change), definition.unit)
    tone = "flat"
    if definition.better != Better.NEITHER:
        tone = "good" if (change > 0) is (definition.better == Better.UP) else "bad"
    return _("较 4 周前 %(change)s") % {"change": words}, tone


def alarm_of(name: str, value: float | None) -> str:
    if not name.startswith("advert_share") or value is None:
        return ""
    return next((alarm for alarm, mark in ADVERT_MARKS if value > mark), "")
