"""A WeCom on this machine:

python -m django wecom_simulator --port 9000 [--host 127.0.0.1] [--state FILE] [--pid-file FILE]

Answers /cgi-bin/… as the platform does. http://127.0.0.1:9000/_sim/ makes things happen: a page
for people, the same address in JSON for programs. Needs neither database nor broker, and ends
with SIGTERM. With ``--state`` a restart finds everything as it was.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand

STATE_VARIABLE = "SCRM_SIMULATOR_STATE"
THREADS = 16


class Command(BaseCommand):
    help = "Run a simulated WeCom: its API under /cgi-bin/, and people's doings under /_sim/."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
        parser.add_argument("--port", type=int, default=settings.SIMULATOR_PORT)
        parser.add_argument("--state", default="", help="a JSON file that keeps the world")
        parser.add_argument("--pid-file", default="", help="where to write the process id")

    def handle(
        self, *args: object, host: str, port: int, state: str, pid_file: str, **options: object
    ) -> None:
        """Becomes the web server, so whoever started us has the right process. One worker: a
        second one would be a second world."""
        command = [
            sys.executable, "-m", "granian", "--interface", "wsgi",
            "scrm.wecom.simulator.server:application",
            "--host", host, "--port", str(port), "--no-ws", "--workers", "1",
            "--blocking-threads", str(THREADS), "--workers-kill-timeout", "10",
            *(["--pid-file", pid_file] if pid_file else []),
        ]  # fmt: skip
        environment = {**os.environ, STATE_VARIABLE: state, "PYTHONPATH": self.import_path()}
        os.execve(sys.executable, command, environment)  # noqa: S606 - becoming it is the purpose

    @staticmethod
    def import_path() -> str:
        given = os.environ.get("PYTHONPATH", "")
        return os.pathsep.join([str(settings.BASE_DIR), *([given] if given else [])])
