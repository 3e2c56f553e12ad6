"""Stored JSON as an operator reads it: words and rows, never braces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

NOTHING = "—"


def readable(value: Any) -> SafeString | str:
    """A value of a JSON column: lists as lists, objects as pairs, booleans as words."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return _("是") if value else _("否")
        case {"id": id_, "name": name}:  # a row, as the audit record keeps it
            return f"{name}（#{id_}）"
        case Mapping():
            return pairs(value)
        case list() | tuple():
            if not value:
                return NOTHING
            items = format_html_join("", "<li>{}</li>", ((readable(item),) for item in value))
            return format_html('<ul class="list-disc list-inside">{}</ul>', items)
    return str(value)


def pairs(values: Mapping[str, Any]) -> SafeString | str:
    if not values:
        return NOTHING
    rows = format_html_join(
        "",
        '<tr><th class="pr-4 py-1 text-left font-medium align-top">{}</th>'
        '<td class="py-1">{}</td></tr>',
        ((name, readable(value)) for name, value in values.items()),
    )
    return format_html("<table>{}</table>", rows)


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], labels: Mapping[str, Any]
) -> SafeString | str:
    """What changed, one line per field: the field, what it was, what it is.

    Of something new there is no before to show, and nothing to say about what it was not given.
    """
    if not before:
        given = {labels.get(n, n): v for n, v in after.items() if v not in (None, "", [], {})}
        return pairs(given)
    names = [
        name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)
    ]
    if not names:
        return NOTHING
    lines = format_html_join(
        "",
        '<tr><th class="pr-4 py-1 text-left font-medium align-top">{}</th>'
        '<td class="pr-4 py-1">{}</td><td class="pr-4 py-1">→</td>'
        '<td class="py-1 font-medium">{}</td></tr>',
        (
            (labels.get(name, name), readable(before.get(name)), readable(after.get(name)))
            for name in names
        ),
    )
    return format_html("<table>{}</table>", lines)
