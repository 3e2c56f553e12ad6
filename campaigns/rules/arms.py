"""Who is in which arm of an experiment, and on which day and hour an arm is sent.

Assignment is a pure function of the experiment's salt and the unit's id: nothing is stored for it,
and the same person stays in the same arm for as long as the experiment lasts.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from campaigns.rules.experiments import HOLD_OUT

BUCKETS = 10_000
WEEK = 7
HEX_DIGITS = 7  # 28 bits: still a plain integer in the database


@dataclass(frozen=True, slots=True)
class Split:
    """The buckets cut among arms: ``starts[i]`` is the first bucket of ``numbers[i]``."""

    salt: str
    numbers: tuple[int, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, salt: str, weights: Mapping[int, int], *, holdout_percent: int = 0) -> Split:
        """``weights`` are shares of what the hold-out leaves, by the arm's number (from 1 on)."""
        numbers = tuple(sorted(weights))
        held = BUCKETS * holdout_percent // 100
        whole = sum(weights.values())
        ends = accumulate(weights[number] for number in numbers)
        starts = (held, *(held + (BUCKETS - held) * end // whole for end in ends))[:-1]
        if held:
            return cls(salt, (HOLD_OUT, *numbers), (0, *starts))
        return cls(salt, numbers, starts)

    @property
    def shares(self) -> dict[int, float]:
        """How large a part of everybody each arm is meant to get."""
        ends = (*self.starts[1:], BUCKETS)
        parts = zip(self.numbers, self.starts, ends, strict=True)
        return {number: (end - start) / BUCKETS for number, start, end in parts}


def bucket_of(salt: str, unit_id: int) -> int:
    """The same as the database does with ``BUCKET_SQL``."""
    digest = hashlib.md5(f"{salt}:{unit_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:HEX_DIGITS], 16) % BUCKETS


#: For the salt with its colon, and the column of the id.
BUCKET_SQL = f"mod(('x' || left(md5({{}}::text || {{}}), {HEX_DIGITS}))::bit(28)::int, {BUCKETS})"


def arm_of(split: Split, unit_id: int) -> int:
    """The arm of a member or chat; 0 is the hold-out."""
    return split.numbers[bisect_right(split.starts, bucket_of(split.salt, unit_id)) - 1]


def switchback_plan(salt: str, numbers: Sequence[int], *, weeks: int) -> tuple[int, ...]:
    """The arm of each day of so many weeks, from the first day on.

    Every weekday gets each arm equally often, in an order drawn from the salt: ``weeks`` has to be
    a multiple of the number of arms.
    """
    if not numbers or weeks % len(numbers):
        raise ValueError("The weeks cannot be divided evenly among the arms.")
    columns = []
    for weekday in range(WEEK):
        places = [(arm, turn) for arm in numbers for turn in range(weeks // len(numbers))]
        places.sort(key=lambda place: _drawn(salt, weekday, *place))
        columns.append([arm for arm, _ in places])
    return tuple(columns[day % WEEK][day // WEEK] for day in range(weeks * WEEK))


def _drawn(salt: str, *parts: int) -> str:
    text = ":".join([salt, "day", *map(str, parts)])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sending_day(planned_for: datetime, times: Iterable[time], *, zone: ZoneInfo) -> date:
    """The day on which all arms of a run are sent, so that they differ in the hour alone.

    That is the day of the planned time, or the next one if an arm's hour was over by then.
    """
    local = planned_for.astimezone(zone)
    earliest = min(times, default=None)
    is_over = earliest is not None and earliest < local.time()
    return local.date() + timedelta(days=is_over)


def instant_at(day: date, at: time, *, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone)
