"""The door of /_sim/: JSON for programs, pages for people."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scrm.wecom.simulator import control, page
from scrm.wecom.simulator.refusals import Impossible, Refused
from scrm.wecom.simulator.response import Response, as_json
from scrm.wecom.simulator.world import World

LARGEST_BODY = 64_000_000
REFUSED_HERE = "这个请求来自别的网站，已拒绝。"


def respond(world: World, environ: dict[str, Any]) -> Response:
    """Pages if a browser asks for one or sends a form, JSON otherwise."""
    path = environ["PATH_INFO"].removeprefix("/_sim/")
    if not is_ours(environ):
        return Response(403, as_json({"error": REFUSED_HERE}))
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    picture = path.startswith("images/")
    if form or picture or "text/html" in environ.get("HTTP_ACCEPT", ""):
        return page.respond(world, environ["REQUEST_METHOD"], path, fields_of(environ))
    return json_response(world, environ, path)


def json_response(world: World, environ: dict[str, Any], path: str) -> Response:
    try:
        answer = control.call(world, environ["REQUEST_METHOD"], path, arguments_of(environ))
    except control.NotFound as error:
        return Response(404, as_json({"error": str(error)}))
    except (Impossible, control.Wrong, ValueError) as error:
        return Response(400, as_json({"error": str(error)}))
    except Refused as error:
        return Response(400, as_json({"error": str(error), "errcode": error.code}))
    return Response(body=as_json(answer))


def is_ours(environ: dict[str, Any]) -> bool:
    """Not sent by a page of another site, nor through a name that somebody else gave this
    address: the simulator asks nobody for a password."""
    host = urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""
    if not is_local_name(host):
        return False
    if environ["REQUEST_METHOD"] == "GET":
        return True
    origin = environ.get("HTTP_ORIGIN", "")
    if origin and urlsplit(origin).netloc != environ.get("HTTP_HOST"):
        return False
    return environ.get("HTTP_SEC_FETCH_SITE", "same-origin") in {"same-origin", "none"}


def is_local_name(host: str) -> bool:
    if "." not in host and ":" not in host:
        return True  # localhost, or a service beside us
    try:
        ip_address(host)
    except ValueError:
        return host.endswith((".localhost", ".local", ".internal"))
    return True


def body_of(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > LARGEST_BODY:
        raise control.Wrong("请求太大")
    body: bytes = environ["wsgi.input"].read(length)
    return body


def arguments_of(environ: dict[str, Any]) -> dict[str, Any]:
    if environ["REQUEST_METHOD"] != "POST":
        return {}
    value = json.loads(body_of(environ) or b"{}")
    if not isinstance(value, dict):
        raise control.Wrong("需要一个 JSON 对象")
    return value


def fields_of(environ: dict[str, Any]) -> dict[str, str]:
    """Of the form in the body, or of the query; a name given twice has both, with a comma."""
    if environ["REQUEST_METHOD"] == "POST":
        text = body_of(environ).decode(errors="replace")
    else:
        text = environ.get("QUERY_STRING", "")
    fields: dict[str, str] = {}
    for name, value in parse_qsl(text):
        fields[name] = f"{fields[name]},{value.strip()}" if name in fields else value.strip()
    return fields
