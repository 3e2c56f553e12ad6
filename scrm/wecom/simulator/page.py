"""Pages for people."""

from __future__ import annotations

from scrm.wecom.simulator.response import Response
from scrm.wecom.simulator.world import World


def respond(world: World, method: str, path: str, fields: dict[str, str]) -> Response:
    return Response(404, content_type="text/plain")
