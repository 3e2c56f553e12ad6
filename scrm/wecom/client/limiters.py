"""Counting calls: in Valkey for all workers, or in one process when there is no Valkey.

An interface that the platform refused for its frequency rests for everybody; one that was called
too often at once goes at half its pace and recovers slowly.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis

from scrm.wecom.client.limiter_scripts import PARK, SLOW_DOWN, TAKE
from scrm.wecom.rules.limits import (
    ALONE_SHARE,
    PACE_FLOOR,
    PACE_RECOVERY,
    PARKED_AGAIN_SECONDS,
    PARKED_AGAIN_WITHIN,
    PARKED_SECONDS,
    Window,
)

BUCKETS = 10  # a window is counted by tenths; eleven of them cover it wherever it begins


@dataclass(frozen=True, slots=True)
class Turn:
    """``wait`` seconds until the call may be made. Taken: the turn is ours, after that wait;
    otherwise ask again, or later. ``parked``: the platform has refused the interface."""

    taken: bool
    wait: float = 0.0
    parked: bool = False


class Limiter(Protocol):
    def take(self, key: str, windows: tuple[Window, ...], patience: float) -> Turn: ...

    def park(self, key: str) -> float: ...

    def slow_down(self, key: str) -> None: ...


class SharedLimiter:
    """For all workers. Its clock is Valkey's."""

    def __init__(self, valkey: redis.Redis) -> None:
        self._take = valkey.register_script(TAKE)
        self._park = valkey.register_script(PARK)
        self._slow_down = valkey.register_script(SLOW_DOWN)

    def take(self, key: str, windows: tuple[Window, ...], patience: float) -> Turn:
        answer: Any = self._take(
            keys=[key, *_window_keys(key, windows)],
            args=[patience, PACE_RECOVERY, *_figures(windows)],
        )
        what, wait = answer[0].decode(), float(answer[1])
        return Turn(taken=what == "taken", wait=wait, parked=what == "parked")

    def park(self, key: str) -> float:
        answer: Any = self._park(
            keys=[key], args=[PARKED_SECONDS, PARKED_AGAIN_SECONDS, PARKED_AGAIN_WITHIN]
        )
        return float(answer)

    def slow_down(self, key: str) -> None:
        self._slow_down(keys=[key], args=[PACE_FLOOR, PACE_RECOVERY])


def _window_keys(key: str, windows: tuple[Window, ...]) -> list[str]:
    return [f"{key}:{each.seconds:g}" for each in windows]


def _figures(windows: tuple[Window, ...]) -> list[float]:
    return [figure for each in windows for figure in (each.count, each.seconds)]


# --- Counted in one process -----------------------------------------------------------------------


@dataclass(slots=True)
class _State:
    parked: float = 0.0
    pace: float = math.inf
    since: float = 0.0
    due: float = 0.0
    second: int = 0
    count: int = 0  # of calls in that second
    before: int = 0  # and in the one before it
    counts: dict[float, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))


class AloneLimiter:
    """The same decisions, with a part of the limits: nobody knows what the other workers do."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = defaultdict(_State)
        self._lock = threading.Lock()

    def take(self, key: str, windows: tuple[Window, ...], patience: float) -> Turn:
        with self._lock:
            state, now = self._states[key], time.monotonic()
            if state.parked > now:
                return Turn(taken=False, wait=state.parked - now, parked=True)
            full = max(_full_for(state, each, now) for each in windows)
            if full > 0:
                return Turn(taken=False, wait=full)
            wait, pace = 0.0, _pace_at(state, now)
            if pace < windows[0].count / windows[0].seconds:
                due = max(state.due, now)
                wait = due - now
                if wait > patience:
                    return Turn(taken=False, wait=wait)
                state.due = due + 1 / pace
            for each in windows:
                counts, bucket = state.counts[each.seconds], _bucket(each, now)
                counts[bucket] = counts.get(bucket, 0) + 1
            _count_second(state, now)
            return Turn(taken=True, wait=wait)

    def park(self, key: str) -> float:
        with self._lock:
            state, now = self._states[key], time.monotonic()
            if state.parked > now:
                return state.parked - now
            again = state.parked > 0 and now - state.parked < PARKED_AGAIN_WITHIN
            seconds = PARKED_AGAIN_SECONDS if again else PARKED_SECONDS
            state.parked = now + seconds
            return seconds

    def slow_down(self, key: str) -> None:
        with self._lock:
            state, now = self._states[key], time.monotonic()
            if now - state.since < 1:
                return
            had = max(state.count, state.before) if state.second >= int(now) - 1 else 0
            state.pace = max(PACE_FLOOR, min(had, _pace_at(state, now)) / 2)
            state.since, state.due = now, now + 1 / state.pace


def _count_second(state: _State, now: float) -> None:
    second = int(now)
    if second > state.second:
        state.before = state.count if second == state.second + 1 else 0
        state.second, state.count = second, 0
    state.count += 1


def _bucket(window: Window, now: float) -> int:
    return int(now / (window.seconds / BUCKETS))


def _full_for(state: _State, window: Window, now: float) -> float:
    counts, bucket = state.counts[window.seconds], _bucket(window, now)
    for old in [each for each in counts if each < bucket - BUCKETS]:
        del counts[old]
    if sum(counts.values()) < max(1, int(window.count * ALONE_SHARE)):
        return 0.0
    return (min(counts) + BUCKETS + 1) * window.seconds / BUCKETS - now


def _pace_at(state: _State, now: float) -> float:
    return state.pace + PACE_RECOVERY * (now - state.since)
