"""The result of a clause as a sentence for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

from members.rules.unmeasured import words_of
from scrm.shared.criteria import METRICS, Clause, Operator
from scrm.shared.criterion_references import Names, reference_names
from scrm.shared.criterion_words import NO_NAMES, amount_in_words, describe_clause, operator_words


def explain(result: Mapping[str, object], *, names: Names = NO_NAMES) -> str:
    """A stored clause result as a sentence: 近 90 天购买次数 ≥ 3：实际 2，还差 1

    ``names`` are what people call the things it names, from ``names_of``.
    """
    unmeasured = words_of(result)
    if unmeasured is not None:
        return unmeasured
    clause = _clause_of(result)
    if METRICS.get(clause.metric) is None:
        return clause.metric
    phrase = describe_clause(clause, names=names)
    if result.get("negated"):
        phrase = _("不满足“%(phrase)s”") % {"phrase": phrase}
    return _("%(clause)s：%(found)s") % {"clause": phrase, "found": _found(result, clause)}


def names_of(results: Iterable[Mapping[str, object]], *, enterprise_id: int) -> Names:
    """What people call the communities, tags … that clause results name."""
    return reference_names(map(_clause_of, results), enterprise_id=enterprise_id)


def _found(result: Mapping[str, object], clause: Clause) -> str:
    definition = METRICS.get(clause.metric)
    assert definition is not None
    actual, missing = result.get("actual"), result.get("missing")
    if clause.op in {Operator.IS, Operator.IS_NOT}:
        if result.get("provisional"):
            return _("凭证待审核")
        words = operator_words(definition.value_type)
        return _("实际%(word)s") % {"word": words[Operator.IS if actual else Operator.IS_NOT]}
    if not isinstance(actual, int):
        return _("没有记录")
    found = _("实际 %(actual)s") % {"actual": amount_in_words(actual, definition.value_type)}
    if isinstance(missing, int) and missing > 0:
        amount = amount_in_words(missing, definition.value_type)
        is_over = isinstance(clause.value, int) and actual >= clause.value
        excess = _("，多了 %(amount)s") if is_over else _("，还差 %(amount)s")
        found += excess % {"amount": amount}
    return found


def _clause_of(result: Mapping[str, object]) -> Clause:
    required, days, of = result.get("required"), result.get("window_days"), result.get("of")
    return Clause(
        metric=str(result.get("metric", "")),
        op=Operator(str(result.get("op", Operator.GTE))),
        value=required if isinstance(required, int | str) else 0,
        window_days=days if isinstance(days, int) else None,
        of=of if isinstance(of, str) else None,
    )
