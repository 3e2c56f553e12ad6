"""The three-way matrix: how many members are in each cell now, what they are worth, and what became
of those who were in it four weeks ago."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from django.db.models import Count, Sum

from communities.models import Community
from members.models import DailyRun, Membership, MemberValue, PredictionModel, ValueCell
from members.rules.daily_runs import DailyRunKind
from members.rules.predictions import ModelKind
from members.rules.rfm import RfmBasis
from scrm.accounts.models import User

FEW = 30  # fewer people make a rate an accident

type Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """``measured`` of those who were in it on ``cut`` could be watched for four weeks: ``active``
    of them were seen again; of all ``former_count`` ``buyers`` bought. None: not known yet."""

    segment: str
    clv_band: str
    behaviour: str
    member_count: int = 0
    clv_amount: int = 0
    former_count: int = 0
    measured: int | None = None
    active: int | None = None
    buyers: int | None = None

    @property
    def key(self) -> Key:
        return self.segment, self.clv_band, self.behaviour

    @property
    def retention(self) -> float | None:
        return self.active / self.measured if self.measured and self.active is not None else None

    @property
    def buying(self) -> float | None:
        if self.buyers is None or not self.former_count:
            return None
        return self.buyers / self.former_count

    @property
    def is_few(self) -> bool:
        """Whether its rates are of so few that they say little."""
        return self.measured is not None and max(self.measured, self.former_count) < FEW


@dataclass(frozen=True, slots=True)
class ValueMatrix:
    """``as_of`` is the night's day, None before the first; ``cut`` the day whose members the
    rates are of. ``unconsented`` members have no value for want of consent."""

    cells: tuple[Cell, ...]
    as_of: date | None
    cut: date | None
    basis: str
    currency: str
    unconsented: int
    model: PredictionModel | None

    @property
    def member_count(self) -> int:
        return sum(cell.member_count for cell in self.cells)


def value_matrix(user: User, *, community: Community | None = None) -> ValueMatrix:
    """Of the members that a user sees, or of a community's."""
    run = (
        DailyRun.objects.visible_to(user)
        .filter(kind=DailyRunKind.VALUES, finished_at__isnull=False)
        .order_by("-day")
        .first()
    )
    notes = run.notes if run else {}
    cells = _now(user, community)
    cut = _join_past(cells, user, community)
    model = PredictionModel.objects.visible_to(user).active().filter(kind=ModelKind.CLV).first()
    return ValueMatrix(
        cells=tuple(cells[key] for key in sorted(cells)),
        as_of=run.day if run else None,
        cut=cut,
        basis=notes.get("basis", RfmBasis.PURCHASES.value),
        currency=(notes.get("currencies") or ["CNY"])[0],
        unconsented=notes.get("unconsented", 0),
        model=model,
    )


def _now(user: User, community: Community | None) -> dict[Key, Cell]:
    values = MemberValue.objects.visible_to(user)
    if community is not None:
        inside = Membership.objects.active().filter(community=community)
        values = values.filter(member__in=inside.values("member"))
    counted = values.order_by().values("segment", "clv_band", "behaviour")
    return {
        (row["segment"], row["clv_band"], row["behaviour"]): Cell(
            row["segment"],
            row["clv_band"],
            row["behaviour"],
            member_count=row["people"],
            clv_amount=row["worth"] or 0,
        )
        for row in counted.annotate(people=Count("pk"), worth=Sum("clv_amount"))
    }


def _join_past(cells: dict[Key, Cell], user: User, community: Community | None) -> date | None:
    """Add what became of those of the latest day whose four weeks are over."""
    known = ValueCell.objects.visible_to(user).filter(
        community=community, measured_count__isnull=False
    )
    latest = known.order_by("-cut").first()
    if latest is None:
        return None
    for past in known.filter(cut=latest.cut):
        key = (past.segment, past.clv_band, past.behaviour)
        cells[key] = replace(
            cells.get(key, Cell(*key)),
            former_count=past.member_count,
            measured=past.measured_count,
            active=past.active_count,
            buyers=past.buyer_count,
        )
    return latest.cut


def criterion_of(cell: Cell) -> dict[str, object] | None:
    """The criterion that its members meet; None for who was not scored, of whom there is none."""
    if not cell.segment:
        return None
    named = {"rfm_segment": cell.segment, "clv_band": cell.clv_band, "behaviour": cell.behaviour}
    return {
        "all": [
            {"metric": metric, "op": "is", "value": value}
            for metric, value in named.items()
            if value
        ]
    }
