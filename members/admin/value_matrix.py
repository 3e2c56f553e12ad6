"""The page of the three-way matrix: kinds of customers down, value across, one behaviour or all."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from communities.models import Community
from members.admin.profile import page_of
from members.models import PredictionModel
from members.rules.model_notes import note_in_words
from members.rules.rfm import RfmBasis
from members.rules.values import Behaviour, RfmSegment, ValueBand
from members.selectors.value_matrix import Cell, ValueMatrix, criterion_of, value_matrix
from scrm.accounts.admin_scope import admin_user
from scrm.shared.money import in_yuan

SEGMENTS = [*RfmSegment.values, ""]
BANDS = [ValueBand.HIGH, ValueBand.MEDIUM, ValueBand.LOW, ValueBand.NONE]


@dataclass(frozen=True)
class Box:
    """One cell as it is drawn. ``shade`` is 0 to 4 by its share of the members."""

    count: int
    clv: str
    retention: str
    buying: str
    is_few: bool
    shade: int
    rows: str
    segment: str


@dataclass(frozen=True)
class Line:
    name: str
    boxes: list[Box]
    total: Box


def matrix_page(request: HttpRequest) -> dict[str, Any]:
    """What the page shows, as asked for by ``community`` and ``behaviour``."""
    user = admin_user(request)
    communities = Community.objects.visible_to(user).order_by("name", "pk")
    asked = request.GET.get("community", "")
    is_id = asked.isascii() and asked.isdecimal() and len(asked) < 18
    community = communities.filter(pk=asked).first() if is_id else None
    behaviour = request.GET.get("behaviour", "")
    behaviour = behaviour if behaviour in Behaviour.values else ""
    matrix = value_matrix(user, community=community)
    return {
        "title": _("价值矩阵"),
        "matrix": matrix,
        "basis": RfmBasis(matrix.basis).label,
        "bands": [band.label for band in BANDS],
        "lines": _lines(matrix, behaviour, community),
        "behaviours": _behaviours(matrix, behaviour, community),
        "communities": list(communities.values_list("pk", "name")),
        "chosen": community.pk if community else None,
        "chosen_behaviour": behaviour,
        "needs_consent": user.enterprise.profiling_needs_consent,
        "bias": bias_of(matrix.model),
        "notes": [note_in_words(note) for note in matrix.model.notes] if matrix.model else [],
        "model_link": _model_link(matrix.model),
        "has_segments": bool(page_of("campaigns_segment_add")),
    }


def bias_of(model: PredictionModel | None) -> str:
    """How far the model was off on the enterprise's own past."""
    holdout = model.figures.get("holdout") if model else None
    ratio = holdout["amount"]["ratio"] if holdout else None
    if not holdout or ratio is None:
        return ""
    words = {
        "until": holdout["until"],
        "weeks": round(holdout["weeks"]),
        "buyers": holdout["buyers"],
        "expected": in_yuan(round(holdout["amount"]["expected"])),
        "actual": in_yuan(round(holdout["amount"]["actual"])),
        "off": round(100 * abs(ratio - 1)),
    }
    sentence = _(
        "用 %(until)s 以前的数据估计其后 %(weeks)d 周、%(buyers)d 人："
        "预计 %(expected)s，实际 %(actual)s，偏低 %(off)d%%。"
    )
    if ratio >= 1:
        sentence = _(
            "用 %(until)s 以前的数据估计其后 %(weeks)d 周、%(buyers)d 人："
            "预计 %(expected)s，实际 %(actual)s，偏高 %(off)d%%。"
        )
    return sentence % words


def _lines(matrix: ValueMatrix, behaviour: str, community: Community | None) -> list[Line]:
    shown = [cell for cell in matrix.cells if not behaviour or cell.behaviour == behaviour]
    whole = max(1, sum(cell.member_count for cell in shown))
    lines = []
    for segment in SEGMENTS:
        own = [cell for cell in shown if cell.segment == segment]
        if not own:
            continue
        boxes = [
            _box(
                _summed(Cell(segment, band, behaviour), [c for c in own if c.clv_band == band]),
                whole,
                community,
            )
            for band in BANDS
        ]
        total = _box(_summed(Cell(segment, "", behaviour), own), whole, community)
        name = str(RfmSegment(segment).label) if segment else _("没有评分")
        lines.append(Line(name, boxes, total))
    return lines


def _summed(empty: Cell, cells: list[Cell]) -> Cell:
    return reduce(_plus, cells, empty)


def _plus(sum_: Cell, cell: Cell) -> Cell:
    return replace(
        sum_,
        member_count=sum_.member_count + cell.member_count,
        clv_amount=sum_.clv_amount + cell.clv_amount,
        former_count=sum_.former_count + cell.former_count,
        measured=_known(sum_.measured, cell.measured),
        active=_known(sum_.active, cell.active),
        buyers=_known(sum_.buyers, cell.buyers),
    )


def _known(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


def _box(cell: Cell, whole: int, community: Community | None) -> Box:
    share = cell.member_count / whole
    return Box(
        count=cell.member_count,
        clv=in_yuan(cell.clv_amount) if cell.clv_amount else "",
        retention=_percent(cell.retention),
        buying=_percent(cell.buying),
        is_few=cell.is_few,
        shade=sum(share >= step for step in (0.01, 0.05, 0.15, 0.3)),
        rows=_rows(cell, community),
        segment=_new_segment(cell, community),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _rows(cell: Cell, community: Community | None) -> str:
    """The list of the members of a cell."""
    asked = {"segment__exact": cell.segment} if cell.segment else {"unscored": "yes"}
    if cell.clv_band:
        asked["clv_band__exact"] = cell.clv_band
    if cell.behaviour:
        asked["behaviour__exact"] = cell.behaviour
    if community is not None:
        asked["community"] = str(community.pk)
    return f"{reverse('admin:members_membervalue_changelist')}?{urlencode(asked)}"


def _new_segment(cell: Cell, community: Community | None) -> str:
    """The form of a segment with the condition of a cell written in it."""
    place, criterion = page_of("campaigns_segment_add"), criterion_of(cell)
    if not place or criterion is None:
        return ""
    if community is not None:
        inside = {"metric": "in_community", "op": "is", "value": community.code}
        criterion = {"all": [*criterion["all"], inside]}  # type: ignore[misc]  # a list of ours
    labels = [
        RfmSegment(cell.segment).label,
        ValueBand(cell.clv_band).label if cell.clv_band else "",
        Behaviour(cell.behaviour).label if cell.behaviour else "",
    ]
    name = "·".join(str(label) for label in labels if label)
    return f"{place}?{urlencode({'name': name, 'criterion': json.dumps(criterion)})}"


def _behaviours(
    matrix: ValueMatrix, chosen: str, community: Community | None
) -> list[tuple[str, int, str, bool]]:
    """Name, members, link and whether it is chosen, of each and of all."""
    kept: dict[str, str] = {"community": str(community.pk)} if community else {}
    found = [(_("全部行为"), matrix.member_count, f"?{urlencode(kept)}", not chosen)]
    for value, label in Behaviour.choices:
        count = sum(cell.member_count for cell in matrix.cells if cell.behaviour == value)
        link = f"?{urlencode({**kept, 'behaviour': value})}"
        found.append((str(label), count, link, chosen == value))
    return found


def _model_link(model: PredictionModel | None) -> str:
    if model is None:
        return ""
    return reverse("admin:members_predictionmodel_change", args=[model.pk])
