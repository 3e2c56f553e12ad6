"""Importing a file: batch by batch, each kept together with how far the file has been read.

Killed at any moment, the import goes on after the last batch that was kept, and counts nothing
twice. Two processes cannot import the same file at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import ImportRunning, UnreadableFile
from members.models import ImportRun
from members.models.import_run import FileFormat
from members.services.coverage import Span, cover
from members.services.importing.attempt import Attempt, keep
from members.services.importing.encodings import ENCODINGS, UTF8, Appearance, look_at
from members.services.importing.layouts import Layout, WriteBatch
from members.services.importing.rejects import RejectsFile
from members.services.importing.spreadsheets import MAGIC, SheetTable
from members.services.importing.tables import CsvTable, LinesTable, Table
from scrm.accounts.models import Enterprise

AUTO = "auto"
LOCK_CLASS = 0x5CA102  # advisory locks of imports: this and the id of the run
LINES_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Progress:
    """How far a file has been read, in bytes and in lines."""

    position: int
    size: int
    lines: int


@dataclass(frozen=True)
class ImportResult:
    """The record of the import, and whether there was anything left to do."""

    run: ImportRun
    was_finished: bool
    resumed_at_line: int


def nothing(_progress: Progress) -> None:
    """For imports that nobody watches."""


@dataclass(frozen=True)
class Options:
    """How a file is read. Without ``rejects_path`` the rejects stand beside the file."""

    source: str = ""
    encoding: str = AUTO
    rejects_path: Path | None = None
    again: bool = False


def import_file(
    path: Path,
    *,
    enterprise: Enterprise,
    layout: Layout,
    write: WriteBatch,
    options: Options = Options(),
    on_progress: Callable[[Progress], None] = nothing,
) -> ImportResult:
    """Import a file, or go on with it where an earlier attempt stopped.

    A file whose import is complete is left alone unless ``options.again``: then it is read anew,
    which takes the rows that were refused before and finds the others already there.
    """
    with _opened(path) as file:
        seen = seen_in(file, path.name)
        run, _is_new = ImportRun.objects.get_or_create(
            enterprise=enterprise,
            kind=layout.kind,
            source=options.source,
            file_digest=seen.digest,
            defaults={
                "file_name": path.name[-255:],
                "encoding": _chosen(options.encoding, seen),
                "format": seen.format,
            },
        )
        with alone(run):
            run.refresh_from_db()
            if run.finished_at and not options.again:
                return ImportResult(run, was_finished=True, resumed_at_line=0)
            if run.finished_at or not run.byte_position:
                start_over(run, _chosen(options.encoding, seen))
            resumed_at_line = run.line_count
            attempt = Attempt(
                run,
                table=open_table(file, run, layout=layout, size=seen.size),
                layout=layout,
                write=write,
                rejects=RejectsFile(
                    options.rejects_path or rejects_beside(path), kept=run.rejects_size
                ),
            )
            attempt.proceed(lambda run: on_progress(_progress(run, attempt.table)))
            finish(run)
    return ImportResult(run, was_finished=False, resumed_at_line=resumed_at_line)


def _progress(run: ImportRun, table: Table) -> Progress:
    return Progress(run.byte_position, table.size, run.line_count)


def rejects_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.csv")


@dataclass(frozen=True)
class Seen:
    """What a file is, before a row of it is read."""

    digest: str
    size: int
    encoding: str
    format: FileFormat


def seen_in(file: IO[bytes], name: str) -> Seen:
    """Raises ``UnreadableFile`` for one that is empty or in no encoding that we read."""
    file.seek(0)
    head = file.read(len(MAGIC))
    if not head:
        raise UnreadableFile(_("文件是空的。"))
    if head == MAGIC:
        form = FileFormat.EXCEL
    elif name.lower().endswith(LINES_SUFFIXES):
        form = FileFormat.LINES
    else:
        form = FileFormat.CSV
    seen: Appearance = look_at(file)
    encoding = seen.encoding if form == FileFormat.CSV else UTF8
    return Seen(seen.digest, seen.size, encoding, form)


def open_table(file: IO[bytes], run: ImportRun, *, layout: Layout, size: int) -> Table:
    """The rows of a file in the run's format. Raises ``UnreadableFile`` and ``WrongHeader``."""
    match run.format:
        case FileFormat.EXCEL:
            return SheetTable(file, zone=run.enterprise.zone)
        case FileFormat.LINES:
            return LinesTable(file, names=layout.columns, size=size)
    return CsvTable(file, encoding=run.encoding, size=size)


def finish(run: ImportRun) -> None:
    """The file was read to its end: between its first and last instant its source has listened."""
    if run.spans:
        communities = Community.objects.filter(enterprise=run.enterprise_id, code__in=run.spans)
        spans = [
            Span(pk, *map(datetime.fromisoformat, run.spans[code]))
            for code, pk in communities.values_list("code", "pk")
        ]
        cover(spans, source=run.source)
    keep(run, finished_at=Now(), lease_until=None)


def _chosen(encoding: str, seen: Seen) -> str:
    if encoding == AUTO:
        return seen.encoding
    if encoding not in ENCODINGS:
        words = {"name": encoding, "names": "、".join((AUTO, *ENCODINGS))}
        raise UnreadableFile(_("不认识编码“%(name)s”，可用：%(names)s。") % words)
    return encoding


def start_over(run: ImportRun, encoding: str) -> None:
    """Forget how an earlier attempt fared."""
    counters = (
        "line_count",
        "accepted_count",
        "updated_count",
        "duplicate_count",
        "rejected_count",
    )
    for name in (*counters, "byte_position", "rejects_size"):
        setattr(run, name, 0)
    run.encoding = encoding
    run.spans = {}
    run.failure = ""
    run.attempt_count = 0
    run.finished_at = None
    run.started_at = Now()
    run.save()
    run.refresh_from_db()
    run.rejections.all().delete()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        words = {"path": str(path), "reason": error.strerror or str(error)}
        raise UnreadableFile(_("打不开文件 %(path)s：%(reason)s。") % words) from error
    with file:
        if not file.seekable():
            raise UnreadableFile(_("只能导入普通文件。"))
        yield file


@contextmanager
def alone(run: ImportRun) -> Iterator[None]:
    """A lock of this session: the system drops it when the process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, run.pk % 2**31])
        (is_ours,) = cursor.fetchone()
        if not is_ours:
            raise ImportRunning(_("另一个进程正在导入这个文件。"))
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, run.pk % 2**31])
