"""No criterion may refer to itself: not through segments, tiers or rules of classification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import islice

from django.utils.translation import gettext as _

from communities.errors import CriterionRefersToItself, CriterionTooLong
from communities.models import ClassificationRule, Tier, TierScheme
from communities.rules.circles import DefinedBy, Thing, circle_through
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import (
    MAX_CLAUSES,
    METRICS,
    Clause,
    Criterion,
    ValueType,
    parse_criterion,
)
from scrm.shared.criterion_references import REFERENCES

CLASSIFIED_AS = "classified_as"
TIER_RANK = "tier_rank"


def refuse_circle(thing: Thing, *, enterprise_id: int) -> None:
    """Call it when the new criterion of the thing is written, in the verb's transaction.

    One at a time in an enterprise: two changes together could close a circle.
    """
    Enterprise.objects.select_for_update(no_key=True).get(pk=enterprise_id)
    circle = circle_through(thing, Needs(enterprise_id).of)
    if circle:
        chain = " → ".join(_named(each) for each in circle)
        raise CriterionRefersToItself(
            _("条件绕回了自己：%(chain)s。请去掉其中一环。") % {"chain": chain},
            details={"chain": [{"kind": kind.value, "code": code} for kind, code in circle]},
        )


def refuse_length(criterion: Criterion, *, enterprise_id: int) -> None:
    """A criterion with the segments that it names written out has an end, and not too many
    clauses."""
    clauses = written_out(criterion, enterprise_id=enterprise_id)
    if next(islice(clauses, MAX_CLAUSES, None), None) is not None:
        raise CriterionTooLong(
            _("连同引用的人群包，一个规则最多 %(limit)d 个条件。") % {"limit": MAX_CLAUSES}
        )


def written_out(criterion: Criterion, *, enterprise_id: int) -> Iterator[Clause]:
    """Every clause that has to be measured: a segment named twice counts twice."""

    @cache
    def behind(code: str) -> Criterion:
        return _segment(code, enterprise_id)

    waiting = [criterion]
    while waiting:
        for clause in waiting.pop().clauses():
            yield clause
            if _names_segment(clause):
                waiting.append(behind(str(clause.value)))


class Needs:
    """What the things of one enterprise are defined by, read once."""

    def __init__(self, enterprise_id: int) -> None:
        self.enterprise_id = enterprise_id
        self.criteria: defaultdict[Thing, list[Criterion]] = defaultdict(list)
        tiers = Tier.objects.filter(scheme__enterprise=enterprise_id)
        for code, raw in tiers.values_list("scheme__code", "criterion"):
            self.criteria[Thing(DefinedBy.TIER_SCHEME, code)].append(parse_criterion(raw))
        rules = ClassificationRule.objects.filter(value__axis__enterprise=enterprise_id)
        for code, raw in rules.values_list("value__axis__code", "criterion"):
            self.criteria[Thing(DefinedBy.AXIS, code)].append(parse_criterion(raw))

    def of(self, thing: Thing) -> Iterator[Thing]:
        if thing.kind is DefinedBy.SEGMENT:
            criteria = [_segment(thing.code, self.enterprise_id)]
        else:
            criteria = self.criteria[thing]
        for criterion in criteria:
            for clause in criterion.clauses():
                yield from self._named_in(clause)

    def _named_in(self, clause: Clause) -> Iterator[Thing]:
        if clause.metric == CLASSIFIED_AS:
            yield Thing(DefinedBy.AXIS, str(clause.value).partition(":")[0])
        elif clause.metric == TIER_RANK:
            codes = [clause.of] if clause.of is not None else self._schemes()
            yield from (Thing(DefinedBy.TIER_SCHEME, code) for code in codes)
        elif _names_segment(clause):
            yield Thing(DefinedBy.SEGMENT, str(clause.value))

    def _schemes(self) -> list[str]:
        schemes = TierScheme.objects.filter(enterprise=self.enterprise_id)
        return list(schemes.order_by("pk").values_list("code", flat=True))


def _names_segment(clause: Clause) -> bool:
    definition = METRICS.get(clause.metric)
    return definition is not None and definition.value_type is ValueType.SEGMENT


def _segment(code: str, enterprise_id: int) -> Criterion:
    kind = REFERENCES.get(ValueType.SEGMENT)
    behind = kind.criterion_of(code, enterprise_id=enterprise_id) if kind else None
    return behind or Criterion()


def _named(thing: Thing) -> str:
    words = {
        DefinedBy.AXIS: _("分类维度“%(code)s”"),
        DefinedBy.TIER_SCHEME: _("分层方案“%(code)s”"),
        DefinedBy.SEGMENT: _("人群包“%(code)s”"),
    }
    return words[thing.kind] % {"code": thing.code}
