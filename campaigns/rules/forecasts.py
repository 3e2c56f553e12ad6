"""What a broadcast may bring and cost: what is reckoned with, and how an answer looks.

Recipients are taken together in cells: what they are worth (RFM segment), how likely they fall
silent (risk band), whether they already are silent (dormant) and whether they have just come
(new). Amounts are in minor units (分). The drawing itself is in ``campaigns.rules.simulation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

VERSION = 1
DRAWS = 500
LEVEL = 0.8  # of every interval
WINDOW_HOURS = 72
WINDOW_DAYS = WINDOW_HOURS / 24
NEW_DAYS = 7
DORMANT_DAYS = 14
#: How far back the usual orders of the recipients are counted.
USUAL_DAYS = 28
#: With fewer of the enterprise's own, a forecast is called an assumption.
ENOUGH_BROADCASTS, ENOUGH_LEAVES = 30, 50
#: Somebody without a score is taken to be as likely to fall silent as people usually are.
USUAL_SILENCE = 0.29

FIGURES = ("reach", "clicks", "orders", "leaves", "value_at_stake", "margin", "net")
#: What a final report can be held against. A net needs a hold-out.
COMPARED = ("reach", "clicks", "orders", "leaves", "value_at_stake", "net")


class Option(StrEnum):
    CHOSEN = "chosen"
    ALL = "all"
    TOP = "top"


class Note(StrEnum):
    ASSUMPTION = "assumption"
    NO_PRICES = "no_prices"
    NO_VALUES = "no_values"
    MARGINAL_LOSS = "marginal_loss"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Cell:
    """Recipients who are alike. Sums go over its ``people``; ``chosen`` of them are in the
    audience, the others are reachable but not chosen."""

    segment: str
    band: str
    is_dormant: bool
    is_new: bool
    people: int
    chosen: int
    ad_share: float  # mean, 0 to 1, of the communities they are reached through
    sends: float  # mean number of messages there within seven days
    silence: float  # mean probability of falling silent
    value_amount: int = 0
    valued: int = 0  # of how many people the value is known
    usual_orders: float = 0.0  # orders of USUAL_DAYS
    spent_amount: int = 0  # net purchases of USUAL_DAYS

    @property
    def group(self) -> tuple[str, bool, bool]:
        """What can still be told of a person who has left."""
        return (self.segment, self.is_dormant, self.is_new)

    @property
    def features(self) -> tuple[float, ...]:
        return features(self.ad_share, self.sends, self.is_dormant, self.is_new, self.silence)


def features(
    ad_share: float, sends: float, is_dormant: bool, is_new: bool, silence: float
) -> tuple[float, ...]:
    """What the probability of leaving is made of, the constant first."""
    return (1.0, ad_share, sends, float(is_dormant), float(is_new), silence)


@dataclass(frozen=True, slots=True)
class LeaveRow:
    """So many of so many people with these features left after one run."""

    run: int
    people: int
    left: int
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """How often something happened in one run of the past, of how many times it could."""

    happened: int
    of: int


@dataclass(frozen=True, slots=True)
class Past:
    """What the enterprise's own runs of this kind have shown."""

    delivered: tuple[Trial, ...] = ()
    clicked: tuple[Trial, ...] = ()
    ordered: tuple[Trial, ...] = ()
    clicked_by: Mapping[str, Trial] = field(default_factory=dict)  # by segment, all runs together
    ordered_by: Mapping[str, Trial] = field(default_factory=dict)
    left: tuple[LeaveRow, ...] = ()
    usual_leave_rate: float = 0.0  # of the same hours without a message
    order_amount: float = 0.0  # net, of one who orders; 0: not known

    @property
    def broadcasts(self) -> int:
        return len({row.run for row in self.left})

    @property
    def leaves(self) -> int:
        return sum(row.left for row in self.left)

    @property
    def people(self) -> int:
        return sum(row.people for row in self.left)

    @property
    def is_enough(self) -> bool:
        return self.broadcasts >= ENOUGH_BROADCASTS and self.leaves >= ENOUGH_LEAVES


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order brings and what the broadcast costs."""

    margin_percent: int
    cost_amount: int
    treated_share: float = 1.0  # the rest is held out


@dataclass(frozen=True, slots=True)
class Range:
    """The middle of the draws and the interval that holds ``LEVEL`` of them."""

    mean: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one way of choosing recipients may bring. ``losing`` are the people of those cells in
    which a message is expected to cost more than it brings, ``losing_amount`` what that costs;
    ``marginal_amount`` is the net of the last recipient."""

    option: Option
    people: int
    figures: Mapping[str, Range]
    marginal_amount: float
    losing: int
    losing_amount: float

    def as_json(self) -> dict[str, Any]:
        ranges = {name: asdict(one) for name, one in self.figures.items()}
        return {
            "option": self.option.value,
            "people": self.people,
            **ranges,
            "marginal_amount": self.marginal_amount,
            "losing": self.losing,
            "losing_amount": self.losing_amount,
        }


def groups_of(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The chosen of the cells by what can be told again after the run, with their mean features:
    what the next forecasts learn from."""
    together: dict[tuple[str, bool, bool], list[Cell]] = {}
    for cell in cells:
        if cell.chosen:
            together.setdefault(cell.group, []).append(cell)
    return [_group(key, parts) for key, parts in sorted(together.items())]


def _group(key: tuple[str, bool, bool], parts: Sequence[Cell]) -> dict[str, Any]:
    people = sum(one.chosen for one in parts)

    def mean(name: str) -> float:
        return float(sum(getattr(one, name) * one.chosen for one in parts) / people)

    segment, is_dormant, is_new = key
    return {
        "segment": segment,
        "is_dormant": is_dormant,
        "is_new": is_new,
        "people": people,
        **{name: round(mean(name), 4) for name in ("ad_share", "sends", "silence")},
    }


def compared(
    figures: Mapping[str, Any], actual: Mapping[str, float | None]
) -> dict[str, bool | None]:
    """Of each figure of the chosen audience whether what happened lay in its interval; None where
    it could not be measured."""
    outlook = chosen_of(figures)
    inside: dict[str, bool | None] = {}
    for name in COMPARED:
        value, expected = actual.get(name), outlook.get(name)
        if value is None or expected is None:
            inside[name] = None
        else:
            inside[name] = value in Range(**expected)
    return inside


def chosen_of(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """The outlook of the audience as it is chosen; empty where nobody would get it."""
    return next(
        (one for one in figures.get("options", []) if one["option"] == Option.CHOSEN.value), {}
    )
