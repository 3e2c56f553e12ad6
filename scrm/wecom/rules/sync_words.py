"""What a sync counted, as an operator reads it."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

type Counts = Mapping[str, Mapping[str, int]]

STEP_WORDS: Mapping[str, str | Promise] = {
    "directory": gettext_lazy("通讯录"),
    "customers": gettext_lazy("客户"),
    "groups": gettext_lazy("客户群"),
}

#: What the events had not told us. Written with a space, so that any number fits.
DRIFT_WORDS: Mapping[str, str | Promise] = {}

COUNT_WORDS: Mapping[str, str | Promise] = {
    "expected": gettext_lazy("应有"),
    "seen": gettext_lazy("读到"),
    "added": gettext_lazy("新增"),
    "changed": gettext_lazy("更新"),
    "closed": gettext_lazy("结束"),
}


def counts_in_words(counts: Counts) -> list[tuple[str, str]]:
    """One line per step: its name and what it counted; what came to nothing is left out, except
    how many were read."""
    lines = []
    for step, counted in counts.items():
        told = [
            f"{COUNT_WORDS.get(name, name)} {number}"
            for name, number in _in_order(counted, COUNT_WORDS)
            if number or name == "seen"
        ]
        lines.append((str(STEP_WORDS.get(step, step)), "，".join(told)))
    return lines


def drift_in_words(drift: Counts) -> str:
    """One sentence, empty when the events had told everything."""
    told = [
        f"{DRIFT_WORDS.get(name, COUNT_WORDS.get(name, name))} {number}"
        for counted in drift.values()
        for name, number in _in_order(counted, DRIFT_WORDS)
        if number
    ]
    return _("回调没有告诉我们：%(what)s。") % {"what": "、".join(told)} if told else ""


def _in_order(
    counted: Mapping[str, int], words: Mapping[str, str | Promise]
) -> list[tuple[str, int]]:
    known = [name for name in words if name in counted]
    return [(name, counted[name]) for name in [*known, *sorted(set(counted) - set(known))]]
