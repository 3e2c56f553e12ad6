"""A stay that says something else than before."""

from __future__ import annotations

from dataclasses import dataclass

from members.models import Stay
from members.rules.status import LeaveReason
from members.rules.stay_rows import Kept


@dataclass(slots=True)
class Change:
    """A stay as it is to be, and as it was on file; a new one was nothing."""

    stay: Stay
    before: Kept | None
    is_written: bool = False

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def was_open(self) -> bool:
        return self.before is not None and self.before.period.is_open

    @property
    def is_open(self) -> bool:
        return self.stay.left_at is None

    @property
    def moves_somebody(self) -> bool:
        return self.was_open != self.is_open

    @property
    def is_contradicted(self) -> bool:
        """An operator had declared it over, and the platform shows that it is not."""
        return self.before is not None and self.before.declared and self.is_open

    @property
    def was_dissolved(self) -> bool:
        return self.before is not None and self.before.period.reason == LeaveReason.DISSOLVED

    @property
    def touches_belonging(self) -> bool:
        if self.before is None:
            return True
        was = self.before.period
        return (was.joined_at, was.left_at) != (self.stay.joined_at, self.stay.left_at) or (
            self.is_open and self.stay.membership_id is None
        )

    @property
    def kind(self) -> str:
        if self.before is None:
            return "joined"
        if self.was_open and not self.is_open:
            return "left"
        was = self.before.period
        same = (was.joined_at, was.join_confidence, was.left_at, was.leave_confidence) == (
            self.stay.joined_at,
            self.stay.join_confidence,
            self.stay.left_at,
            self.stay.leave_confidence,
        )
        return "same" if same else "corrected"
