"""Facts about members as an operator reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from members.criteria import explain

NOTHING = "—"


def clause_table(clauses: Iterable[dict[str, Any]]) -> SafeString | str:
    """Every clause of a decision: met or not, what was asked and what was found."""
    rules = {"minimum_tier": _("最低层级"), "policy": _("准入规则")}
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
                explain(clause),
            )
            for clause in clauses
        ),
    )
    return format_html('<table class="whitespace-nowrap">{}</table>', rows) if rows else NOTHING


def waiting_time(hours: float) -> tuple[str, str]:
    """How long somebody has waited, and how urgent that is."""
    colour = "danger" if hours > 24 else "warning" if hours > 2 else "success"
    if hours < 1:
        return colour, _("%(minutes)d 分钟") % {"minutes": hours * 60}
    if hours < 48:
        return colour, _("%(hours)d 小时") % {"hours": hours}
    return colour, _("%(days)d 天") % {"days": hours // 24}


CHIP = (
    '<span class="inline-block font-medium rounded-default text-xs whitespace-nowrap h-6 leading-6 '
    'px-2 bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200">{}</span>'
)


def chips(words: Iterable[str]) -> SafeString:
    """Short facts side by side."""
    return format_html_join(" ", CHIP, ((word,) for word in words))
