"""The branches of a split as operators read them."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from communities.models import SplitBranch

NOTHING = "—"


def values_in_words(branch: SplitBranch) -> str:
    values = sorted(branch.values.all(), key=lambda value: (value.axis_id, value.pk))
    return " · ".join(value.name for value in values) or NOTHING


def people_in_words(count: int, *, minimum_size: int) -> SafeString | str:
    """In red when there are too few."""
    if count >= minimum_size:
        return str(count)
    small = '<span class="font-medium text-red-600 dark:text-red-500 whitespace-nowrap">{}</span>'
    facts = {"count": count, "minimum": minimum_size}
    return format_html(small, _("%(count)d（不到 %(minimum)d）") % facts)


def progress_in_words(branch: Any) -> SafeString | str:
    """A bar of what was settled, and in words where everybody is."""
    listed = _listed(branch)
    if not listed:
        return NOTHING
    joined, declined, gone = branch.joined_count, branch.declined_count, branch.gone_count
    words = _("加入 %(joined)d · 已邀请 %(invited)d · 待邀请 %(planned)d") % {
        "joined": joined,
        "invited": branch.invited_count,
        "planned": branch.planned_count,
    }
    if declined:
        words += _(" · 不去 %(count)d") % {"count": declined}
    if gone:
        words += _(" · 已离开 %(count)d") % {"count": gone}
    return bar(joined + declined + gone, listed, title=words)


def bar(settled: int, total: int, *, title: str = "") -> SafeString | str:
    if not total:
        return NOTHING
    facts = {"settled": settled, "total": total}
    context = {
        "title": title or _("%(settled)d / %(total)d") % facts,
        "description": f"{100 * settled // total}%",
        # a bar of nothing would not be drawn at all
        "items": [{"value": 100 * settled // total, "title": title}],
        "class": "min-w-48",
    }
    return render_to_string("unfold/components/progress.html", context)


def _listed(branch: Any) -> int:
    counts = ("planned", "invited", "joined", "declined", "gone")
    return sum(getattr(branch, f"{name}_count") for name in counts)
