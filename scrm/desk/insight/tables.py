"""The heat map, the cohorts, the ways to an order and the funnel, as rows of their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from campaigns.selectors.community_funnels import CommunityFunnel, Step
from members.rules.paths import PathStep
from members.selectors.heat import FEW_ACTIVE, HeatMap
from members.selectors.paths import Path
from members.selectors.retention import Cohort
from scrm.desk.insight.cards import NOTHING, percent

HEAT_LEVELS = 5


@dataclass(frozen=True)
class Cell:
    """``level`` is 0 to 5, or -1 for a grey one."""

    level: int
    text: str
    words: str


@dataclass(frozen=True)
class HeatTable:
    rows: list[tuple[str, list[Cell]]]
    peak: str
    highest: str
    is_empty: bool


def heat_table(heat: HeatMap) -> HeatTable:
    values = [value for row in heat.cells for value in row if value is not None]
    highest = max(values, default=0.0)
    weekdays = weekday_names()
    rows = [
        (name, [heat_cell(name, hour, value, highest) for hour, value in enumerate(row)])
        for name, row in zip(weekdays, heat.cells, strict=True)
    ]
    return HeatTable(
        rows=rows,
        peak=peak_of(heat, weekdays),
        highest=f"{highest:.0f}" if highest >= 10 else f"{highest:.1f}",
        is_empty=not values,
    )


def weekday_names() -> list[str]:
    monday = date(2024, 1, 1)
    return [date_format(monday.replace(day=number), "D") for number in range(1, 8)]


def heat_cell(weekday: str, hour: int, value: float | None, highest: float) -> Cell:
    slot = _("%(weekday)s %(hour)02d:00–%(hour)02d:59") % {"weekday": weekday, "hour": hour}
    if value is None:
        few = {"slot": slot, "few": FEW_ACTIVE}
        return Cell(-1, "", _("%(slot)s：不足 %(few)d 人，或没有数据") % few)
    level = min(HEAT_LEVELS, int(HEAT_LEVELS * value / highest) + 1) if value else 0
    text = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
    return Cell(level, text, _("%(slot)s：平均 %(value)s 人") % {"slot": slot, "value": text})


def peak_of(heat: HeatMap, weekdays: Sequence[str]) -> str:
    """When most people are awake: the time to say something."""
    slots = [
        (value, day, hour)
        for day, row in enumerate(heat.cells)
        for hour, value in enumerate(row)
        if value is not None
    ]
    if not slots:
        return ""
    value, day, hour = max(slots, key=lambda slot: (slot[0], -slot[1], -slot[2]))
    facts = {"weekday": weekdays[day], "hour": hour, "value": f"{value:.1f}"}
    return _("最活跃：%(weekday)s %(hour)d 点，平均 %(value)s 人") % facts


@dataclass(frozen=True)
class CohortRow:
    week: date
    joined: int
    cells: list[Cell]


def cohort_rows(cohorts: Sequence[Cohort]) -> list[CohortRow]:
    return [
        CohortRow(
            week=cohort.week,
            joined=cohort.joined,
            cells=[
                cohort_cell(number, share, active)
                for number, (share, active) in enumerate(
                    zip(cohort.cells, cohort.active, strict=True)
                )
            ],
        )
        for cohort in cohorts
    ]


def cohort_cell(number: int, share: float | None, active: int | None) -> Cell:
    week = _("加入后第 %(number)d 周") % {"number": number}
    if share is None:
        return Cell(-1, "", _("%(week)s：还没过完，或没有数据") % {"week": week})
    level = min(HEAT_LEVELS, int(HEAT_LEVELS * share) + 1) if share else 0
    facts = {"week": week, "active": active or 0, "share": percent(share)}
    return Cell(level, f"{100 * share:.0f}", _("%(week)s：%(active)d 人活跃，%(share)s") % facts)


@dataclass(frozen=True)
class PathRow:
    steps: list[str]
    buyers: int
    share: str


def path_rows(paths: Sequence[Path]) -> list[PathRow]:
    words = dict(PathStep.choices)
    return [
        PathRow(
            steps=[str(words.get(PathStep(step), step)) for step in path.steps],
            buyers=path.buyers,
            share=percent(path.share),
        )
        for path in paths
    ]


@dataclass(frozen=True)
class FunnelRow:
    """``rate`` is the share of those who came so far of those of the step that goes before."""

    label: str
    people: str
    in_order: str
    rate: str
    width: int


#: What goes before a step; an order needs no share.
BEFORE = {
    Step.DELIVERED: Step.SENT,
    Step.CLICKED: Step.DELIVERED,
    Step.INTERACTED: Step.CLICKED,
    Step.SHARED: Step.INTERACTED,
    Step.ORDERED: Step.INTERACTED,
}


def funnel_rows(funnel: CommunityFunnel) -> list[FunnelRow]:
    words = funnel_words()
    came = {step.step: step.in_order for step in funnel.steps}
    first = next((step.people for step in funnel.steps if step.people), 0)
    rows = []
    for step in funnel.steps:
        before = came.get(BEFORE[step.step]) if step.step in BEFORE else None
        known = before and step.in_order is not None
        rows.append(
            FunnelRow(
                label=words[step.step],
                people=counted(step.people),
                in_order=counted(step.in_order),
                rate=percent((step.in_order or 0) / (before or 1)) if known else NOTHING,
                width=round(100 * step.people / first) if first and step.people else 0,
            )
        )
    return rows


def funnel_words() -> dict[str, str]:
    return {
        Step.SENT: _("发送"),
        Step.DELIVERED: _("送达"),
        Step.CLICKED: _("点击"),
        Step.INTERACTED: _("互动"),
        Step.SHARED: _("分享"),
        Step.ORDERED: _("下单"),
    }


def counted(people: int | None) -> str:
    return NOTHING if people is None else f"{people:,}"
