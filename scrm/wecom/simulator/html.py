"""The pieces of a page. What people wrote passes through format_html, which escapes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from scrm.wecom.simulator.clock import BEIJING

STYLE = SafeString(
    "body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem;"
    "color:#1c2733;background:#f6f7f9}h1{font-size:1.4rem}"
    "h2{font-size:1.05rem;margin:1.6rem 0 .4rem}"
    "table{border-collapse:collapse;width:100%;background:#fff}td,th{border:1px solid #dfe3e8;"
    "padding:.35rem .5rem;text-align:left;vertical-align:top}th{background:#eef1f4;font-weight:600}"
    "form{display:inline-block;margin:.1rem .5rem .1rem 0}input,select,button{font:inherit;"
    "padding:.15rem .4rem}input[type=number]{width:5rem}button{background:#0b6e4f;color:#fff;"
    "border:0;border-radius:.3rem;cursor:pointer}.note{background:#e4f3ea;border-left:4px solid"
    " #0b6e4f;padding:.5rem .8rem}.card{background:#fff;border:1px solid #dfe3e8;padding:.8rem}"
    "small,.grey{color:#5b6875}a{color:#0b6e4f}"
)


def document(title: str, note: str, *parts: SafeString) -> str:
    told = format_html('<p class="note">{}</p>', note) if note else SafeString("")
    return format_html(
        '<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width"><title>{} · 模拟企业微信</title><style>{}</style></head>'
        "<body><h1>{}</h1>{}{}</body></html>",
        title,
        STYLE,
        title,
        told,
        together(parts),
    )


def together(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def form(action: str, back: str, label: str, *inputs: SafeString, **hidden: str) -> SafeString:
    return format_html(
        '<form method="post" action="{}">{}{}{}<button>{}</button></form>',
        action,
        field("hidden", "back", back),
        together(field("hidden", name, value) for name, value in hidden.items()),
        together(inputs),
        label,
    )


def field(kind: str, name: str, value: object = "", hint: str = "") -> SafeString:
    return format_html(
        '<input type="{}" name="{}" value="{}" placeholder="{}"> ', kind, name, value, hint
    )


def labelled(label: str, part: SafeString) -> SafeString:
    return format_html("<label>{} {}</label>", label, part)


def choice(name: str, options: Iterable[tuple[str, str]]) -> SafeString:
    inner = format_html_join("", '<option value="{}">{}</option>', options)
    return format_html('<select name="{}">{}</select> ', name, inner)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    head = format_html_join("", "<th>{}</th>", ((each,) for each in heads))
    return format_html("<table><tr>{}</tr>{}</table>", head, body)


def section(title: str, *parts: SafeString) -> SafeString:
    return format_html("<h2>{}</h2>{}", title, together(parts))


def link(place: str, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', place, text or "（未命名）")


def clock_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m-%d %H:%M:%S")
