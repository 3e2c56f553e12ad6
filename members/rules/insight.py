"""What figures of a community mean: the sentences beside them, and the health made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

from scrm.shared.figures import (
    NO_NOTE,
    SMALL_NUMBER,
    Better,
    Figure,
    FigureDefinition,
    Note,
)

UNMEASURED = Note(gettext_noop("这段时间没有数据覆盖：接入活跃数据后才能计算。"))
NO_SNAPSHOT = Note(gettext_noop("这一天还没有日快照：每晚自动生成，社群建立之前的日子没有。"))
NOBODY = Note(gettext_noop("当时没有成员。"))
NOBODY_SPOKE = Note(gettext_noop("这段时间没有人发言。"))
NO_STAFF_EVENTS = Note(gettext_noop("还没有员工发言的数据：上报活跃时用 staff 写明员工。"))
NO_POSTS = Note(gettext_noop("这段时间没有带话题的帖子。"))
NO_COHORT = Note(gettext_noop("还没有一批新成员满 5 周且每天都有数据覆盖。"))
NO_SCORES = Note(gettext_noop("还没有流失评分：检查数据覆盖和成员的画像授权。"))
ONLY_LATEST = Note(gettext_noop("只保留最近一次的结果，过去的日子看不到。"))
NO_VALUES = Note(gettext_noop("还没有计算成员价值：每晚计算，需要成员的画像授权。"))
NO_HISTORY = Note(gettext_noop("自己的历史不足 8 周，还不能比较。"))
NOT_REPORTED = Note(gettext_noop("还没有数据来源上报这一项。"))
NOTHING_MEASURED = Note(gettext_noop("各项都没有数据，或历史不足 8 周。"))


def partly_measured(measured_days: int, days: int) -> Note:
    if measured_days >= days:
        return NO_NOTE
    text = gettext_noop("%(days)d 天里只有 %(measured)d 天有数据覆盖。")
    return Note(text, {"measured": measured_days, "days": days})


def small_number(n: int) -> Note:
    if n >= SMALL_NUMBER:
        return NO_NOTE
    return Note(gettext_noop("样本太少（%(n)d），只作参考。"), {"n": n})


def share_of(part: float, whole: int) -> float | None:
    """A share between 0 and 1; None of nothing. Who has just left may still be in the part."""
    return min(part / whole, 1.0) if whole > 0 else None


# --- Health -------------------------------------------------------------------------------------

FEWEST_WEEKS = 8  # of own history, for a percentile to mean something


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the health: the figures it is the mean of, and its weight in points."""

    name: str
    weight: int
    figures: tuple[str, ...]


#: The weights add up to 100. A figure that no app registers is a part that nobody measures.
HEALTH_PARTS = (
    Part("stickiness", 25, ("stickiness",)),
    Part("retention", 25, ("retention_week_4",)),
    Part("interaction", 20, ("interaction_rate",)),
    Part("first_reply", 15, ("first_reply_share",)),
    Part("restraint", 15, ("advert_share", "leave_rate")),
)


def percentile_of(value: float, history: Sequence[float], better: Better) -> float:
    """Where a value stands in its own history, 0 to 1: the share of the history that was worse,
    counting half of what was equal."""
    worse = sum(past > value if better is Better.DOWN else past < value for past in history)
    return (worse + sum(past == value for past in history) / 2) / len(history)


def health_score(percentiles: Mapping[str, float | None]) -> float | None:
    """0 to 100 from the percentiles of the parts; parts without one count for nothing."""
    known = [
        (part.weight, percentile)
        for part in HEALTH_PARTS
        if (percentile := percentiles.get(part.name)) is not None
    ]
    if not known:
        return None
    total = sum(weight for weight, _ in known)
    return 100 * sum(weight * percentile for weight, percentile in known) / total


# --- Figures that are kept with a day -----------------------------------------------------------

type Kept = Mapping[str, Mapping[str, Any]]


def as_kept(figures: Mapping[str, Figure], definitions: Iterable[FigureDefinition]) -> Kept:
    """Figures as JSON, each with the version of its definition."""
    return {
        definition.name: {
            "version": definition.version,
            "value": figure.value,
            "n": figure.n,
            "note": figure.note.text,
            "numbers": dict(figure.note.numbers),
        }
        for definition in definitions
        if (figure := figures.get(definition.name)) is not None
    }


def kept_figure(kept: Kept, definition: FigureDefinition) -> Figure | None:
    """A figure read back; None where it was not kept or has been defined anew since."""
    found = kept.get(definition.name)
    if found is None or found["version"] != definition.version:
        return None
    note = Note(found["note"], found["numbers"])
    return Figure(definition.name, found["value"], definition.unit, note, found["n"])


def kept_value(kept: Kept, definition: FigureDefinition) -> float | None:
    figure = kept_figure(kept, definition)
    return figure.value if figure else None


def noted(figure: Figure, *notes: Note) -> Figure:
    """A figure with the first note that says something, if it has none yet."""
    note = figure.note or next((note for note in notes if note), NO_NOTE)
    return Figure(figure.name, figure.value, figure.unit, note, figure.n)
