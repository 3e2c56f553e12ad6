"""The simulated WeCom for as long as the demonstration is made: afterwards its own program goes on
with what it knows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.conf import settings

from scrm.wecom.simulator.app import make_app
from scrm.wecom.simulator.world import World

HOST = "127.0.0.1"


class SimulatorIsRunning(Exception):
    """Its program has the port, and would write its own world over ours."""


@contextmanager
def simulated_wecom() -> Iterator[World | None]:
    """Serve the world of the state file, and write it down when this is over. None where this
    installation has no simulator of its own."""
    if not settings.SIMULATOR_IS_OURS:
        yield None
        return
    path = settings.SIMULATOR_STATE
    world = World.load(path) if path.exists() else World()
    try:
        server = _Server((HOST, settings.SIMULATOR_PORT), _Quiet)
    except OSError as error:
        raise SimulatorIsRunning(
            f"端口 {settings.SIMULATOR_PORT} 已被占用；模拟企业微信在运行时不能装入演示数据，"
            "请先停止 make up。"
        ) from error
    server.set_app(make_app(world))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield world
    finally:
        world.save(path)
        server.shutdown()
        server.server_close()
        world.close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def address_string(self) -> str:
        return str(self.client_address[0])
