"""The pages of /_sim/: looking on, and making things happen with a mouse."""

from __future__ import annotations

from urllib.parse import urlencode

from scrm.wecom.simulator import page_actions, page_views
from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.refusals import Impossible, Refused
from scrm.wecom.simulator.response import Response
from scrm.wecom.simulator.world import World

HTML = "text/html; charset=utf-8"
SAFE = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self';"
     " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)  # fmt: skip


def respond(world: World, method: str, path: str, fields: dict[str, str]) -> Response:
    parts = [part for part in path.split("/") if part]
    if method == "POST":
        return act(world, parts, fields)
    note = fields.get("note", "")
    match parts:
        case []:
            return shown(page_views.companies(world, note))
        case ["corps", corp_id] if corp := world.corps.get(corp_id):
            with corp.lock:
                return shown(page_views.company(corp, note))
        case ["corps", corp_id, "groups", chat_id] if corp := world.corps.get(corp_id):
            if chat_id in corp.groups:
                with corp.lock:
                    return shown(page_views.group(corp, corp.groups[chat_id], note))
        case ["scan", chat_id] if corp := corp_with_group(world, chat_id):
            with corp.lock:
                return shown(page_views.scan(corp, chat_id, fields))
        case ["ways", config_id] if corp := corp_with_way(world, config_id):
            with corp.lock:
                return shown(page_views.way(corp, corp.join_ways[config_id], note))
        case ["images", media_id]:
            return image(world, media_id)
    return shown(page_views.missing(), 404)


def act(world: World, parts: list[str], fields: dict[str, str]) -> Response:
    """Do it, then show where it was asked for, with a word on how it went."""
    try:
        match parts:
            case ["corps"]:
                corp = world.create_corp(fields.get("name", "") or "新企业")
                return back_to(f"/_sim/corps/{corp.corp_id}", "企业已创建")
            case ["corps", corp_id, action] if found := world.corps.get(corp_id):
                note = page_actions.perform(found, action, fields)
            case ["scan", chat_id] if found := corp_with_group(world, chat_id):
                note = page_actions.scan_group(found, chat_id, fields)
            case ["ways", config_id] if found := corp_with_way(world, config_id):
                note = page_actions.scan_way(found, config_id, fields)
            case _:
                return shown(page_views.missing(), 404)
    except (Impossible, Refused, ValueError, KeyError) as error:
        note = f"没有做成：{error}"
    return back_to(fields.get("back", ""), note)


def back_to(place: str, note: str) -> Response:
    """Only to a page of ours."""
    safe = place if place.startswith("/_sim/") and "\n" not in place else "/_sim/"
    joiner = "&" if "?" in safe else "?"
    location = f"{safe}{joiner}{urlencode({'note': note})}"
    return Response(303, b"", HTML, (("Location", location), *SAFE))


def shown(html: str, status: int = 200) -> Response:
    return Response(status, html.encode(), HTML, SAFE)


def image(world: World, media_id: str) -> Response:
    for corp in world.corps.values():
        if content := corp.media_bytes.get(media_id):
            kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
            return Response(200, content, kind, SAFE)
    return shown(page_views.missing(), 404)


def corp_with_group(world: World, chat_id: str) -> Corp | None:
    return next((corp for corp in world.corps.values() if chat_id in corp.groups), None)


def corp_with_way(world: World, config_id: str) -> Corp | None:
    return next((corp for corp in world.corps.values() if config_id in corp.join_ways), None)
