from __future__ import annotations

import io
import json
import re
import time
from argparse import ArgumentParser
from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, OutputWrapper
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from scrm.shared.catalogues import compile_catalogues


class Command(BaseCommand):
    help = (
        "Bring an installation up to date: migrations, coming months, translations, static files."
        " It may be repeated. Progress is printed as JSON lines."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="fill an empty installation")
        parser.add_argument("--files", action="store_true", help="only what needs no database")
        parser.add_argument("--access", action="store_true", help="make a first login, once")

    def handle(
        self, *args: object, demo: bool, access: bool, files: bool, **options: object
    ) -> None:
        if files:
            self.step("static", self.prepare_files)
            return
        self.step("migrate", self.migrate)
        self.step("months", self.make_months)
        if demo:
            self.step("demo", self.load_demo)
        self.step("static", self.prepare_files)
        if access:
            self.tell(step="access", finished=True, **self.first_access())

    def step(self, name: str, work: Callable[[], str]) -> None:
        began = time.monotonic()
        note = work()
        self.tell(step=name, finished=True, note=note, seconds=round(time.monotonic() - began, 1))

    def tell(self, **event: object) -> None:
        self.stdout.write(json.dumps(event, ensure_ascii=False))
        self.stdout.flush()

    def listen(self, step: str, *, total: int = 0, mark: str = r"$^") -> Listener:
        def report(done: int, text: str) -> None:
            self.tell(step=step, done=done, total=total, text=text)

        return Listener(self.stderr, report, mark)

    def migrate(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")  # a migration may take its time
        graph = (executor := MigrationExecutor(connection)).loader.graph
        total = len(executor.migration_plan(graph.leaf_nodes()))
        out = self.listen("migrate", total=total, mark=r"\bOK\b")
        call_command("migrate", interactive=False, no_color=True, stdout=out)
        return f"{total}/{len(graph.nodes)}"

    def make_months(self) -> str:
        """The tables of the coming months, which else are made in the first night."""
        if "activity_partitions" not in get_commands():
            return ""
        out = self.listen("months")
        call_command("activity_partitions", ahead=True, stdout=out)
        return out.last_line

    def load_demo(self) -> str:
        """Only into an empty installation: what people made is never touched."""
        if "seed_demo" not in get_commands() or get_user_model().objects.exists():
            return ""
        out = self.listen("demo")
        call_command("seed_demo", stdout=out)
        return out.last_line

    def prepare_files(self) -> str:
        compile_catalogues()
        out = self.listen("static")
        call_command("collectstatic", interactive=False, stdout=out)
        return out.last_line.partition(" copied")[0]

    def first_access(self) -> dict[str, str]:
        out = io.StringIO()
        call_command("give_first_access", stdout=out)
        access: dict[str, str] = json.loads(out.getvalue())
        return access


class Listener(io.StringIO):
    """Passes a command's words on to the log, and counts the lines that report a finished part."""

    def __init__(self, log: OutputWrapper, report: Callable[[int, str], None], mark: str) -> None:
        super().__init__()
        self.log, self.report, self.mark = log, report, re.compile(mark)
        self.done, self.last_line = 0, ""

    def write(self, text: str) -> int:
        self.log.write(text, ending="", style_func=str)
        self.done += len(self.mark.findall(text))
        if text.strip():
            self.last_line = text.strip().splitlines()[-1]
            self.report(self.done, self.last_line)
        return len(text)
