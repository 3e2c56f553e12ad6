"""Facts about members as an operator reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from members.criteria import explain
from members.rules.reviewing import urgency
from scrm.shared.criterion_references import Names
from scrm.shared.criterion_words import NO_NAMES

NOTHING = "—"


def clause_table(clauses: Iterable[dict[str, Any]], *, names: Names = NO_NAMES) -> SafeString | str:
    """Every clause of a decision: met or not, what was asked and what was found."""
    rules = {
        "minimum_tier": _("最低层级"),
        "policy": _("准入规则"),
        "blocklist": _("黑名单"),
    }
    rows = format_html_join(
        "",
        '<tr><td class="pr-4 py-1 font-bold {}">{}</td><td class="pr-4 py-1">{}</td>'
        '<td class="py-1">{}</td></tr>',
        (
            (
                "text-green-700 dark:text-green-400"
                if clause.get("passed")
                else "text-red-700 dark:text-red-400",
                "✓" if clause.get("passed") else "✗",
                rules.get(str(clause.get("rule")), ""),
                explain(clause, names=names),
            )
            for clause in clauses
        ),
    )
    return format_html('<table class="whitespace-nowrap">{}</table>', rows) if rows else NOTHING


def time_left(due_at: datetime, *, now: datetime) -> tuple[str, str]:
    """How long there is still to decide, and how urgent that is."""
    left = due_at - now
    words = _("超时 %(time)s") if left <= timedelta() else _("还剩 %(time)s")
    return urgency(due_at, now=now), words % {"time": _duration(abs(left))}


def _duration(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return _("%(minutes)d 分钟") % {"minutes": hours * 60}
    if hours < 48:
        return _("%(hours)d 小时") % {"hours": hours}
    return _("%(days)d 天") % {"days": hours // 24}


CHIP = (
    '<span class="inline-block font-medium rounded-default text-xs whitespace-nowrap h-6 leading-6 '
    'px-2 bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200">{}</span>'
)


def chips(words: Iterable[str]) -> SafeString:
    """Short facts side by side."""
    return format_html_join(" ", CHIP, ((word,) for word in words))
