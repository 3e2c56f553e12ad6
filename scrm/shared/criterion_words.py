"""A criterion as a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from scrm.shared.criteria import (
    METRICS,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    InvalidCriterion,
    MetricDefinition,
    MetricRegistry,
    Node,
    Not,
    Operator,
    Value,
    ValueType,
    parse_criterion,
)
from scrm.shared.criterion_references import Names, reference_names

SIGNS = {
    Operator.GTE: "≥",
    Operator.GT: ">",
    Operator.LTE: "≤",
    Operator.LT: "<",
    Operator.EQ: "=",
}


NO_NAMES: Names = MappingProxyType({})


def describe(
    criterion: Criterion, *, names: Names = NO_NAMES, registry: MetricRegistry = METRICS
) -> str:
    """For example: 近 90 天购买次数 ≥ 3，并且近 90 天发帖数 ≥ 10

    ``names`` are what people call the things it names, from ``reference_names``; without them
    the codes are shown.
    """
    if criterion.root is None:
        return _("没有门槛")
    return _Sentence(names, registry).phrase(criterion.root)


def describe_stored(
    raw: object, *, enterprise_id: int | None = None, registry: MetricRegistry = METRICS
) -> str:
    """The sentence of a criterion as it lies in the database, where it was checked on writing.

    With an enterprise given, things are called by their names, which costs a query per kind.
    """
    try:
        criterion = parse_criterion(raw, registry=registry)
    except InvalidCriterion:
        return _("门槛含有已不存在的指标，请重新设置。")
    names = NO_NAMES
    if enterprise_id is not None:
        names = reference_names(criterion.clauses(), enterprise_id=enterprise_id)
    return describe(criterion, names=names, registry=registry)


def describe_clause(
    clause: Clause, *, names: Names = NO_NAMES, registry: MetricRegistry = METRICS
) -> str:
    definition = registry.get(clause.metric)
    if definition is None:
        return clause.metric
    if isinstance(clause.value, str):
        named = names.get((definition.value_type, clause.value), clause.value)
        return _named(definition, clause.op) % {"label": definition.label, "name": named}
    phrase = _("%(label)s %(sign)s %(amount)s") % {
        "label": definition.label,
        "sign": SIGNS[clause.op],
        "amount": amount_in_words(clause.value, definition.value_type),
    }
    if clause.window_days is not None:
        phrase = _("近 %(days)d 天%(phrase)s") % {"days": clause.window_days, "phrase": phrase}
    if clause.of is None or definition.parameter is None:
        return phrase
    narrowed = names.get((definition.parameter, clause.of), clause.of)
    if definition.parameter is ValueType.COMMUNITY:
        return _("在“%(name)s”%(phrase)s") % {"name": narrowed, "phrase": phrase}
    return _("“%(name)s”的%(phrase)s") % {"name": narrowed, "phrase": phrase}


def _named(definition: MetricDefinition, op: Operator) -> str:
    """The sentence of a clause that names something, with %(name)s in it."""
    affirmed, denied = {
        ValueType.COMMUNITY: (_("在社群 %(name)s 中"), _("不在社群 %(name)s 中")),
        ValueType.SEGMENT: (_("在人群包 %(name)s 中"), _("不在人群包 %(name)s 中")),
        ValueType.TAG: (_("有标签 %(name)s"), _("没有标签 %(name)s")),
        ValueType.PURPOSE: (_("已授权 %(name)s"), _("未授权 %(name)s")),
    }.get(definition.value_type, (_("%(label)s为“%(name)s”"), _("%(label)s不为“%(name)s”")))
    return affirmed if op is Operator.IS else denied


def operator_words(value_type: ValueType) -> dict[Operator, str]:
    """How the operators are said between a metric and a value of this type."""
    affirmed, denied = {
        ValueType.COMMUNITY: (_("在"), _("不在")),
        ValueType.SEGMENT: (_("在"), _("不在")),
        ValueType.TAG: (_("有"), _("没有")),
        ValueType.PURPOSE: (_("已授权"), _("未授权")),
    }.get(value_type, (pgettext("comparison", "是"), pgettext("comparison", "不是")))
    return {**SIGNS, Operator.IS: affirmed, Operator.IS_NOT: denied}


def amount_in_words(value: Value, value_type: ValueType) -> str:
    """A measured or required value with its unit, money in whole units."""
    if isinstance(value, str):
        return value
    if value_type is ValueType.MONEY:
        return _("%(amount)s 元") % {"amount": f"{value // 100:,}.{value % 100:02d}"}
    if value_type is ValueType.PERCENT:
        return f"{value}%"
    if value_type is ValueType.DAYS:
        return _("%(days)d 天") % {"days": value}
    return f"{value:,}"


@dataclass(frozen=True, slots=True)
class _Sentence:
    names: Names
    registry: MetricRegistry

    def phrase(self, node: Node) -> str:
        match node:
            case Clause():
                return describe_clause(node, names=self.names, registry=self.registry)
            case Not(part):
                return _("不满足“%(phrase)s”") % {"phrase": self.phrase(part)}
            case AllOf(parts):
                return _("，并且").join(map(self.nested, parts)) or _("没有门槛")
            case AnyOf(parts):
                return _("，或者").join(map(self.nested, parts))

    def nested(self, node: Node) -> str:
        phrase = self.phrase(node)
        if isinstance(node, AllOf | AnyOf) and len(node.parts) > 1:
            return f"（{phrase}）"
        return phrase
