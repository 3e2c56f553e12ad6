"""What a criterion means, in plain Python over plain facts: a second opinion on the SQL."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from scrm.shared.criteria import AllOf, AnyOf, Clause, Not

#: A classification value and the one above it.
PARENT = {
    "region:east": None,
    "region:shanghai": "region:east",
    "region:pudong": "region:shanghai",
    "region:west": None,
    "breed:corgi": None,
}
COMPARE = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
    "eq": operator.eq,
}


@dataclass(frozen=True)
class Order:
    at: datetime
    paid: int
    refunded: int
    currency: str


@dataclass(frozen=True)
class Day:
    day: date
    community: str
    message: int
    post: int
    comment: int
    checkin: int
    click: int
    other: int


@dataclass(frozen=True)
class Stay:
    community: str
    joined: datetime
    left: datetime | None


@dataclass(frozen=True)
class Klass:
    value: str
    source: str
    expires: datetime | None
    is_ended: bool
    evidence: str | None  # its status, if there is a photo


@dataclass(frozen=True)
class Worth:
    """What was computed in the night; a score of 0 is none."""

    segment: str
    recency: int
    frequency: int
    monetary: int
    band: str
    clv: int | None
    behaviour: str


@dataclass(frozen=True)
class Facts:
    """All there is to know about one member."""

    orders: list[Order] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    classes: list[Klass] = field(default_factory=list)
    tags: list[tuple[str, bool]] = field(default_factory=list)  # and whether it was removed
    tiers: list[tuple[str, int, bool]] = field(default_factory=list)  # rank, and whether it ended
    consents: list[tuple[str, str]] = field(default_factory=list)
    scores: list[tuple[str, float]] = field(default_factory=list)
    worth: Worth | None = None


@dataclass(frozen=True)
class Oracle:
    facts: Facts
    zone: str
    now: datetime

    def meets(self, node) -> bool:
        match node:
            case None:
                return True
            case AllOf(parts):
                return all(self.meets(part) for part in parts)
            case AnyOf(parts):
                return any(self.meets(part) for part in parts)
            case Not(part):
                return not self.meets(part)
            case Clause():
                return self.meets_clause(node)
        raise TypeError(node)

    def meets_clause(self, clause: Clause) -> bool:
        found = self.measure(clause)
        if clause.op in ("is", "is_not"):
            return found is (clause.op == "is")
        return found is not None and COMPARE[clause.op](found, clause.value)

    def measure(self, clause: Clause):
        """A number, None where the fact is missing, or for a name whether the member has it."""
        return getattr(self, clause.metric)(clause)

    # --- Days -------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.day_of(self.now)

    def day_of(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def ago(self, day: date | None) -> int | None:
        return None if day is None else (self.today - day).days

    def in_window(self, day: date, clause: Clause) -> bool:
        return clause.window_days is None or (self.today - day).days < clause.window_days

    # --- Orders -----------------------------------------------------------------------------

    def orders(self, clause: Clause) -> list[Order]:
        return [
            order
            for order in self.facts.orders
            if order.currency == "CNY"
            and order.refunded < order.paid
            and order.at <= self.now
            and self.in_window(self.day_of(order.at), clause)
        ]

    def purchase_count(self, clause):
        return len(self.orders(clause))

    def purchase_amount(self, clause):
        return sum(order.paid - order.refunded for order in self.orders(clause))

    def days_since_purchase(self, clause):
        orders = self.orders(clause)
        return self.ago(max((self.day_of(order.at) for order in orders), default=None))

    # --- Activity ---------------------------------------------------------------------------

    def days(self, clause: Clause) -> list[Day]:
        return [
            day
            for day in self.facts.days
            if day.day <= self.today
            and clause.of in (None, day.community)
            and self.in_window(day.day, clause)
        ]

    def post_count(self, clause):
        return sum(day.post for day in self.days(clause))

    def comment_count(self, clause):
        return sum(day.comment for day in self.days(clause))

    def message_count(self, clause):
        return sum(day.message for day in self.days(clause))

    def interaction_count(self, clause):
        return sum(
            day.message + day.post + day.comment + day.checkin + day.other
            for day in self.days(clause)
        )

    def active_days(self, clause):
        return len({day.day for day in self.days(clause)})

    def days_since_active(self, clause):
        return self.ago(max((day.day for day in self.days(clause)), default=None))

    def checkin_streak(self, clause):
        checked = {day.day for day in self.days(clause) if day.checkin}
        day = self.today if self.today in checked else self.today - timedelta(days=1)
        streak = 0
        while day in checked:
            streak, day = streak + 1, day - timedelta(days=1)
        return streak

    def churn_risk(self, clause):
        risks = [
            round(probability * 100)
            for community, probability in self.facts.scores
            if clause.of in (None, community)
        ]
        return max(risks, default=None)

    # --- Value ------------------------------------------------------------------------------

    def rfm_segment(self, clause):
        return self.facts.worth is not None and self.facts.worth.segment == clause.value

    def clv_band(self, clause):
        return self.facts.worth is not None and self.facts.worth.band == clause.value

    def behaviour(self, clause):
        return self.facts.worth is not None and self.facts.worth.behaviour == clause.value

    def rfm_recency(self, clause):
        return self.facts.worth and (self.facts.worth.recency or None)

    def rfm_frequency(self, clause):
        return self.facts.worth and (self.facts.worth.frequency or None)

    def rfm_monetary(self, clause):
        return self.facts.worth and (self.facts.worth.monetary or None)

    def clv(self, clause):
        return self.facts.worth and self.facts.worth.clv

    # --- Belonging --------------------------------------------------------------------------

    def stays(self) -> list[Stay]:
        return [
            stay
            for stay in self.facts.stays
            if stay.joined <= self.now and (stay.left is None or stay.left > self.now)
        ]

    def membership_days(self, clause):
        joined = [
            self.day_of(stay.joined) for stay in self.stays() if clause.of in (None, stay.community)
        ]
        return self.ago(min(joined, default=None))

    def in_community(self, clause):
        return any(stay.community == clause.value for stay in self.stays())

    # --- Standing ---------------------------------------------------------------------------

    def classes(self, wanted: str) -> list[Klass]:
        return [
            each
            for each in self.facts.classes
            if wanted in lineage(each.value)
            and not each.is_ended
            and (each.expires is None or each.expires > self.now)
        ]

    def classified_as(self, clause):
        return bool(self.classes(clause.value))

    def has_evidence(self, clause):
        return any(each.evidence == "approved" for each in self.classes(clause.value))

    def has_tag(self, clause):
        return (clause.value, False) in self.facts.tags

    def tier_rank(self, clause):
        wanted = clause.of or "loyalty"
        ranks = [
            rank for scheme, rank, is_ended in self.facts.tiers if scheme == wanted and not is_ended
        ]
        return ranks[0] if ranks else None

    def consented(self, clause):
        said = [decision for purpose, decision in self.facts.consents if purpose == clause.value]
        return bool(said) and said[-1] == "granted"


def lineage(value: str):
    while value is not None:
        yield value
        value = PARENT[value]
