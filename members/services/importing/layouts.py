"""What a kind of file consists of, and who takes its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from members.models.import_run import ImportKind
from members.rules.rows import Rejection

type Row = tuple[Any, ...]
#: The first and the last instant of something, as ISO 8601 in UTC.
type Span = tuple[str, str]


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
