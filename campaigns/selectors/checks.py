"""What stands for and against a broadcast, before anybody approves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from campaigns.models import Broadcast
from campaigns.selectors.estimates import Estimate
from communities.models import Community


class Level(StrEnum):
    OK = "ok"
    HINT = "hint"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. ``words`` say what was found and what to do about it."""

    code: str
    level: Level
    title: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)


def checks_of(
    broadcast: Broadcast,
    *,
    communities: Sequence[Community],
    estimate: Estimate | None = None,
) -> list[Check]:
    """Every check, also those that pass. Works for a broadcast that is not saved yet.

    What an ``estimate`` would tell is left out without one.
    """
    return []
