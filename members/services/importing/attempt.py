"""One process working through a file, from where the run stands to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import batched
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from members.errors import ImportRunning, WrongHeader
from members.models import ImportRun
from members.rules.rows import Rejection, shown
from members.services.importing.layouts import Layout, Outcome, Row, Span, WriteBatch
from members.services.importing.records import Record
from members.services.importing.rejects import Refused, RejectsSink, as_line
from members.services.importing.tables import Place, Table

BATCH_SIZE = 10_000
LEASE = timedelta(minutes=2)  # much longer than a batch


class Attempt:
    """Each batch is kept together with how far the file has been read, and the lease renewed."""

    def __init__(
        self,
        run: ImportRun,
        *,
        table: Table,
        layout: Layout,
        write: WriteBatch,
        rejects: RejectsSink,
    ) -> None:
        self.run = run
        self.table = table
        self.layout = layout
        self.write = write
        self.rejects = rejects
        refuse_header(layout, table.names)
        self.width = len(table.names)
        self.pick = picker(layout, table.names)

    def proceed(
        self, on_batch: Callable[[ImportRun], None], *, go_on: Callable[[], bool] = lambda: True
    ) -> bool:
        """Whether the end of the file was reached; else ``go_on`` said to stop."""
        place = Place(self.run.byte_position, self.run.line_count + 1)
        records = self.table.records(place)
        for batch in batched(records, self.layout.batch_size or BATCH_SIZE):
            self._take(batch)
            on_batch(self.run)
            if not go_on():
                return False
        return True

    def _take(self, batch: Sequence[Record]) -> None:
        run = self.run
        done = run.accepted_count + run.updated_count + run.duplicate_count + run.rejected_count
        good = [
            (place, record)
            for place, record in enumerate(batch, done)
            if not record.code and len(record.fields) == self.width
        ]
        with transaction.atomic():
            outcome = self.write([self.pick(record.fields) for _place, record in good])
            refused = [_refused(*good[bad.index], bad) for bad in outcome.rejects]
            refused += [
                self._unread(place, record)
                for place, record in enumerate(batch, done)
                if record.code or len(record.fields) != self.width
            ]
            refused.sort()
            self._keep(batch[-1], outcome, refused)

    def _unread(self, place: int, record: Record) -> Refused:
        if record.code:
            return Refused(place, record.line, record.code, record.message, record.raw)
        words = {"found": len(record.fields), "expected": self.width}
        message = _("这一行有 %(found)d 列，表头有 %(expected)d 列。") % words
        raw = as_line(record.fields)
        return Refused(place, record.line, "wrong_column_count", message, raw)

    def _keep(self, last: Record, outcome: Outcome, refused: list[Refused]) -> None:
        """In the transaction of the rows, and after the rejects are kept."""
        run = self.run
        rejects_size = self.rejects.append(refused)
        keep(
            run,
            rejects_size=rejects_size,
            rejects_file=str(self.rejects.path)[-1024:] if rejects_size else "",
            byte_position=last.end,
            line_count=last.end_line - 1,
            accepted_count=run.accepted_count + outcome.accepted,
            updated_count=run.updated_count + getattr(outcome, "updated", 0),
            duplicate_count=run.duplicate_count + outcome.duplicates,
            rejected_count=run.rejected_count + len(refused),
            spans=united(run.spans, getattr(outcome, "spans", {})),
        )


def _refused(place: int, record: Record, bad: Rejection) -> Refused:
    return Refused(place, record.line, bad.code, bad.message, as_line(record.fields))


def keep(run: ImportRun, **changes: Any) -> None:
    """Write the changes if the run is still ours, and renew the lease if there is one. Raises
    ``ImportRunning`` where another process has taken over."""
    if run.lease_until is not None and "lease_until" not in changes:
        changes["lease_until"] = Now() + LEASE
    mine = ImportRun.objects.filter(pk=run.pk, lease_until=run.lease_until)
    if not mine.update(**changes):
        raise ImportRunning(_("另一个进程正在导入这个文件。"))
    run.refresh_from_db(fields=list(changes))


def united(kept: dict[str, Span], more: dict[str, Span]) -> dict[str, Span]:
    """For each community the earlier beginning and the later end. Instants are text in UTC of one
    form, so that their order is that of time."""
    spans = dict(kept)
    for community, (since, until) in more.items():
        first, last = spans.get(community, (since, until))
        spans[community] = (min(first, since), max(last, until))
    return spans


def refuse_header(layout: Layout, names: Sequence[str]) -> None:
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


def picker(layout: Layout, names: Sequence[str]) -> Callable[[list[Any]], Row]:
    """From the fields of a line to the values in the layout's order."""
    places = [names.index(name) if name in names else None for name in layout.columns]
    present = [place for place in places if place is not None]
    if present == places and len(present) > 1:
        return itemgetter(*present)
    return lambda fields: tuple("" if place is None else fields[place] for place in places)
