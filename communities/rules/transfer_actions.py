"""What somebody may do about a hand-over now."""

from __future__ import annotations

from collections.abc import Mapping

from communities.rules.transfer_status import DERIVED, MENDABLE, OPEN_ITEMS, SUBMITTABLE
from communities.rules.transfers import PLANNABLE, ItemState

ACTIONS = [
    "preflight",
    "submit",
    "approve",
    "reject",
    "assign_receiver",
    "retry",
    "waive",
    "cancel",
    "return",
]
#: What cancelling stops; what failed stays failed.
CANCELLABLE = OPEN_ITEMS - {ItemState.FAILED}


def planner_actions(status: str, states: Mapping[str, int], *, may_return: bool) -> list[str]:
    """For whoever may hand over. ``states``: how many items are in each; ``may_return``: something
    of it went over so recently that the platform gives it back."""
    is_plan, is_derived = status in SUBMITTABLE, status in DERIVED
    present = {state for state, count in states.items() if count}
    is_open = bool(present & OPEN_ITEMS) and (is_plan or is_derived)
    allowed = {
        "preflight": status in PLANNABLE | SUBMITTABLE,
        "submit": is_plan,
        "assign_receiver": is_open,
        "retry": is_derived and bool(present & MENDABLE),
        "waive": is_open,
        "cancel": is_plan or (is_derived and bool(present & CANCELLABLE)),
        "return": may_return,
    }
    return [name for name in ACTIONS if allowed.get(name)]


def approver_actions(status: str, states: Mapping[str, int], *, is_author: bool) -> list[str]:
    """For whoever may approve: nobody approves what they have planned themselves."""
    if status not in DERIVED or not states.get(ItemState.PENDING):
        return []
    return ["reject"] if is_author else ["approve", "reject"]
