"""Importing a file: batch by batch, each kept together with how far the file has been read.

Killed at any moment, the import goes on after the last batch that was kept, and counts nothing
twice. Two processes cannot import the same file at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Protocol

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from members.errors import ImportRunning, UnreadableFile, WrongHeader
from members.models import ImportRun
from members.models.import_run import ImportKind
from members.rules.rows import Rejection, shown
from members.services.importing.encodings import ENCODINGS, Appearance, look_at
from members.services.importing.records import Record, RecordReader
from members.services.importing.rejects import RejectsFile, as_line
from scrm.accounts.models import Enterprise

AUTO = "auto"
BATCH_SIZE = 10_000
LOCK_CLASS = 0x5CA102  # advisory locks of imports: this and the id of the run

type Row = tuple[str, ...]
type Reject = tuple[int, str, str, str]


class Outcome(Protocol):
    """What became of a batch. ``rejects`` name rows by their place in it."""

    @property
    def accepted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def rejects(self) -> Sequence[Rejection]: ...


#: Takes a batch inside a transaction. A row has the values of the columns in the layout's order.
type WriteBatch = Callable[[Sequence[Row]], Outcome]


@dataclass(frozen=True)
class Layout:
    """The columns of a kind of file. An optional one may be missing; its values are then empty."""

    kind: ImportKind
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    batch_size: int | None = None  # rows in one transaction; without it as many as pay

    @property
    def columns(self) -> tuple[str, ...]:
        return self.required + self.optional


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
    """Import a CSV file, or go on with it where an earlier attempt stopped.

    A file whose import is complete is left alone unless ``options.again``: then it is read anew,
    which takes the rows that were refused before and finds the others already there.
    """
    with _opened(path) as file:
        seen = look_at(file)
        if not seen.size:
            raise UnreadableFile(_("文件是空的。"))
        encoding = _chosen(options.encoding, seen)
        run, _is_new = ImportRun.objects.get_or_create(
            enterprise=enterprise,
            kind=layout.kind,
            source=options.source,
            file_digest=seen.digest,
            defaults={"file_name": path.name[-255:], "encoding": encoding},
        )
        with _alone(run):
            run.refresh_from_db()
            if run.finished_at and not options.again:
                return ImportResult(run, was_finished=True, resumed_at_line=0)
            if run.finished_at or not run.byte_position:
                _start_over(run, encoding)
            resumed_at_line = run.line_count
            rejects = RejectsFile(
                options.rejects_path or rejects_beside(path), kept=run.rejects_size
            )
            attempt = Attempt(file, run, layout=layout, write=write, rejects=rejects)
            attempt.proceed(lambda run: on_progress(_progress(run, seen)))
    return ImportResult(run, was_finished=False, resumed_at_line=resumed_at_line)


def _progress(run: ImportRun, seen: Appearance) -> Progress:
    return Progress(run.byte_position, seen.size, run.line_count)


def rejects_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.csv")


class Attempt:
    """One process working through a file, from where the run stands to the end."""

    def __init__(
        self,
        file: BinaryIO,
        run: ImportRun,
        *,
        layout: Layout,
        write: WriteBatch,
        rejects: RejectsFile,
    ) -> None:
        self.file = file
        self.run = run
        self.layout = layout
        self.write = write
        self.header_end, self.header_line, names = self._header()
        self.width = len(names)
        self.pick = picker(layout, names)
        self.rejects = rejects

    def proceed(self, on_batch: Callable[[ImportRun], None]) -> None:
        for batch in batched(self._records(), self.layout.batch_size or BATCH_SIZE):
            self._take(batch)
            on_batch(self.run)
        self.run.finished_at = Now()
        self.run.save(update_fields=["finished_at"])
        self.run.refresh_from_db()

    def _header(self) -> tuple[int, int, list[str]]:
        reader = RecordReader(self.file, encoding=self.run.encoding)
        record = next(iter(reader), None)
        if record is None or record.code:
            message = record.message if record else ""
            raise WrongHeader(_("读不出表头。%(message)s") % {"message": message})
        names = [name.strip() for name in record.fields]
        refuse_header(self.layout, names)
        return record.end, record.end_line, names

    def _records(self) -> Iterator[Record]:
        reader = RecordReader(
            self.file,
            encoding=self.run.encoding,
            position=self.run.byte_position or self.header_end,
            line=(self.run.line_count or self.header_line - 1) + 1,
        )
        return (record for record in reader if record.fields or record.code)

    def _take(self, batch: Sequence[Record]) -> None:
        good = [record for record in batch if len(record.fields) == self.width]
        with transaction.atomic():
            outcome = self.write([self.pick(record.fields) for record in good])
            rejects = [self._unread(record) for record in batch if len(record.fields) != self.width]
            rejects += [self._refused(good[bad.index], bad) for bad in outcome.rejects]
            rejects.sort()
            self._keep(batch[-1], outcome, rejects)

    def _unread(self, record: Record) -> Reject:
        if record.code:
            return record.line, record.code, record.message, record.raw
        words = {"found": len(record.fields), "expected": self.width}
        message = _("这一行有 %(found)d 列，表头有 %(expected)d 列。") % words
        return record.line, "wrong_column_count", message, as_line(record.fields)

    def _refused(self, record: Record, bad: Rejection) -> Reject:
        return record.line, bad.code, bad.message, as_line(record.fields)

    def _keep(self, last: Record, outcome: Outcome, rejects: list[Reject]) -> None:
        """In the transaction of the rows, and after the rejects are on disk."""
        run = self.run
        run.rejects_size = self.rejects.append(rejects)
        run.rejects_file = str(self.rejects.path)[-1024:] if run.rejects_size else ""
        run.byte_position = last.end
        run.line_count = last.end_line - 1
        run.accepted_count += outcome.accepted
        run.updated_count += getattr(outcome, "updated", 0)
        run.duplicate_count += outcome.duplicates
        run.rejected_count += len(rejects)
        run.save(
            update_fields=[
                "rejects_size",
                "rejects_file",
                "byte_position",
                "line_count",
                "accepted_count",
                "updated_count",
                "duplicate_count",
                "rejected_count",
            ]
        )


def refuse_header(layout: Layout, names: list[str]) -> None:
    """Every required column, no unknown one, none twice."""
    missing = [name for name in layout.required if name not in names]
    unknown = [name for name in names if name not in layout.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [
        text % {"names": "、".join(shown(name) or "“”" for name in found[:10])}
        for text, found in (
            (_("缺少列：%(names)s。"), missing),
            (_("多出列：%(names)s。"), unknown),
            (_("重复的列：%(names)s。"), twice),
        )
        if found
    ]
    if problems:
        words = {"required": ",".join(layout.required), "optional": ",".join(layout.optional)}
        expected = _("表头应为：%(required)s") % words
        if layout.optional:
            expected += _("；可选：%(optional)s") % words
        details = {"expected": list(layout.required), "optional": list(layout.optional)}
        raise WrongHeader(
            "".join([*problems, expected, "。"]),
            details={**details, "found": [shown(name) for name in names[:50]]},
        )


def picker(layout: Layout, names: list[str]) -> Callable[[list[str]], Row]:
    """From the fields of a line to the values in the layout's order."""
    places = [names.index(name) if name in names else None for name in layout.columns]
    present = [place for place in places if place is not None]
    if present == places and len(present) > 1:
        return itemgetter(*present)
    return lambda fields: tuple("" if place is None else fields[place] for place in places)


def _chosen(encoding: str, seen: Appearance) -> str:
    if encoding == AUTO:
        return seen.encoding
    if encoding not in ENCODINGS:
        words = {"name": encoding, "names": "、".join((AUTO, *ENCODINGS))}
        raise UnreadableFile(_("不认识编码“%(name)s”，可用：%(names)s。") % words)
    return encoding


def _start_over(run: ImportRun, encoding: str) -> None:
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
    run.finished_at = None
    run.started_at = Now()
    run.save()
    run.refresh_from_db()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
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
def _alone(run: ImportRun) -> Iterator[None]:
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
