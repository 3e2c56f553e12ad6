"""The company of a connection on the simulator, and how to make things happen there."""

from __future__ import annotations

from typing import Any

import httpx

from scrm.wecom.client.wire import base_url
from scrm.wecom.models import WecomConnection

SECONDS = 120.0


class NotSimulated(Exception):
    """There is no simulator for this, or it refused; the message says which."""


class SimulatedCompany:
    """Speaks to the simulator's program through its own door, beside the platform's."""

    def __init__(self, connection: WecomConnection) -> None:
        base = base_url(connection.platform)
        self._url = f"{base}/_sim/corps/{connection.corp_id}"

    def do(self, verb: str, **arguments: Any) -> Any:
        """Its answer. Raises ``NotSimulated``."""
        body = self._asked("POST", verb, arguments)
        return body["result"]

    def see(self, what: str) -> Any:
        """What it keeps under this name. Raises ``NotSimulated``."""
        return self._asked("GET", what)[what]

    def _asked(self, method: str, name: str, arguments: dict[str, Any] | None = None) -> Any:
        try:
            answer = httpx.request(
                method, f"{self._url}/{name}", json=arguments, timeout=SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            raise NotSimulated(
                f"连不上模拟企业微信（{type(error).__name__}）："
                "先运行 make up；它用了 SCRM_PORT 的话，这里也带上。"
            ) from error
        body = answer.json()
        if answer.status_code != httpx.codes.OK:
            raise NotSimulated(f"模拟企业微信没有照做 {name}：{body.get('error')}")
        return body
