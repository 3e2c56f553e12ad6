"""What the import commands have in common: options, progress, the summary."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar

from members.models import ImportRun
from members.services.importing.encodings import ENCODINGS
from members.services.importing.files import Newcomers
from members.services.importing.layouts import Layout, WriteBatch
from members.services.importing.run import (
    AUTO,
    ImportResult,
    Options,
    Progress,
    import_file,
)
from scrm.accounts.models import Enterprise
from scrm.shared.errors import DomainError

TEXT_VERSION_LIMIT = 40
INTERRUPTED = 130  # what a shell expects after Ctrl-C


class ImportCommand(BaseCommand):
    """A command that imports one kind of file. Say ``layout`` and ``writer``."""

    layout: Layout
    default_source = "import"

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        columns = ",".join(self.layout.required)
        optional = ",".join(self.layout.optional)
        parser.add_argument(
            "file",
            type=Path,
            help=f"CSV, .xlsx or .jsonl with the columns {columns}; optional: {optional or '-'}",
        )
        parser.add_argument("--enterprise", help="slug; may be left out when there is only one")
        parser.add_argument(
            "--source", default=self.default_source, help="name of the system the data come from"
        )
        parser.add_argument("--encoding", default=AUTO, choices=(AUTO, *ENCODINGS))
        parser.add_argument(
            "--rejects", type=Path, help="where refused rows go (default: FILE.rejects.csv)"
        )
        parser.add_argument(
            "--again", action="store_true", help="read a file anew whose import is complete"
        )
        parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
        parser.add_argument("--json", action="store_true", help="the summary as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            result = self._import(options)
        except DomainError as error:
            raise CommandError(error.message) from error
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                _("数据库暂时不可用：%(reason)s。再次运行同一命令会从断点继续，不会重复计数。")
                % {"reason": str(error).strip().partition("\n")[0]}
            ) from error
        except KeyboardInterrupt:
            self.stderr.write(_("已停止。再次运行同一命令会从断点继续，不会重复计数。"))
            sys.exit(INTERRUPTED)
        self._report(result, seconds=time.monotonic() - began, options=options)

    def _import(self, options: dict[str, Any]) -> ImportResult:
        enterprise = enterprise_named(options["enterprise"])
        is_watched = not (options["quiet"] or options["json"]) and sys.stderr.isatty()
        bar = progress_bar(options["file"], is_watched=is_watched)
        with rare_collections(), bar as on_progress:
            return import_file(
                options["file"],
                enterprise=enterprise,
                layout=self.layout,
                write=self.writer(enterprise, options),
                options=Options(
                    source=options["source"],
                    encoding=options["encoding"],
                    rejects_path=options["rejects"],
                    again=options["again"],
                ),
                on_progress=on_progress,
            )

    def _report(self, result: ImportResult, *, seconds: float, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(as_json(result, seconds), ensure_ascii=False))
        elif not options["quiet"]:
            for line in in_words(result, seconds):
                self.stdout.write(line)
            if options.get("create_members") and not options["consent_profiling"]:
                self._tell_of_consent(result)

    def _tell_of_consent(self, result: ImportResult) -> None:
        if result.run.enterprise.profiling_needs_consent:
            text = _(
                "新建的成员没有画像授权，不会被评分和估值；"
                "已取得同意的，请在导入时加 --consent-profiling 告知文本版本。"
            )
            self.stdout.write(text)


def add_newcomers(parser: CommandParser) -> None:
    parser.add_argument(
        "--create-members",
        action="store_true",
        help="put unknown members on file under their external id, instead of refusing them",
    )
    add_consent(parser)


def add_consent(parser: CommandParser) -> None:
    parser.add_argument(
        "--consent-profiling",
        metavar="TEXT_VERSION",
        default="",
        help="record that those who are put on file have agreed to profiling, by this version of "
        "the text; without it they are neither scored nor valued",
    )


def consent_in(options: dict[str, Any]) -> str:
    text = str(options["consent_profiling"])
    if len(text) > TEXT_VERSION_LIMIT:
        words = {"limit": TEXT_VERSION_LIMIT}
        raise CommandError(_("告知文本版本最多 %(limit)d 个字符。") % words)
    return text


def newcomers_in(options: dict[str, Any]) -> Newcomers:
    text = consent_in(options)
    if text and not options["create_members"]:
        raise CommandError(_("--consent-profiling 只用于新建的成员，请同时加 --create-members。"))
    return Newcomers(options["create_members"], text)


def enterprise_named(slug: str | None) -> Enterprise:
    if slug is None:
        candidates = list(Enterprise.objects.order_by("pk")[:2])
        if len(candidates) == 1:
            return candidates[0]
        raise CommandError(_("请用 --enterprise 指明企业。"))
    enterprise = Enterprise.objects.filter(slug=slug).first()
    if enterprise is None:
        raise CommandError(_("没有标识为“%(slug)s”的企业。") % {"slug": slug})
    return enterprise


@contextmanager
def progress_bar(path: Path, *, is_watched: bool) -> Iterator[Callable[[Progress], None]]:
    bar = ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn(_("{task.fields[lines]} 行")),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not is_watched,
    )
    with bar:
        task = bar.add_task(path.name, total=None, lines=0)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.position, total=progress.size, lines=progress.lines)

        yield show


@contextmanager
def rare_collections() -> Iterator[None]:
    """Rows are many small objects without cycles; looking for cycles among them takes a fifth of
    the time."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def as_json(result: ImportResult, seconds: float) -> dict[str, object]:
    run = result.run
    return {
        "status": "already_imported" if result.was_finished else "finished",
        "import_run": run.pk,
        "lines": run.line_count,
        "accepted": run.accepted_count,
        "updated": run.updated_count,
        "duplicates": run.duplicate_count,
        "rejected": run.rejected_count,
        "rejects_file": run.rejects_file or None,
        "encoding": run.encoding,
        "resumed_at_line": result.resumed_at_line or None,
        "seconds": round(seconds, 3),
    }


def in_words(result: ImportResult, seconds: float) -> Iterator[str]:
    run = result.run
    if result.was_finished:
        yield _("这个文件已经导入过，没有改动。要重新读一遍，请加 --again。")
    elif result.resumed_at_line:
        yield _("从第 %(line)d 行继续。") % {"line": result.resumed_at_line + 1}
    yield counts_in_words(run)
    if run.rejects_file:
        yield _("被拒绝的行见 %(path)s") % {"path": run.rejects_file}
    if not result.was_finished:
        yield _("用时 %(seconds).1f 秒。") % {"seconds": seconds}


def counts_in_words(run: ImportRun) -> str:
    words = {
        "lines": run.line_count,
        "accepted": run.accepted_count,
        "updated": run.updated_count,
        "duplicates": run.duplicate_count,
        "rejected": run.rejected_count,
    }
    return (
        _(
            "读了 %(lines)d 行：新增 %(accepted)d，更新 %(updated)d，重复 %(duplicates)d，"
            "拒绝 %(rejected)d。"
        )
        % words
    )
