"""How far hand-overs are, as their lists and pages show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from communities.models import TransferItem
from communities.rules.transfer_status import MENDABLE
from communities.rules.transfers import EXPLAINED, ItemState, Subject, TransferStatus

type Counts = Counter[tuple[str, str]]
"""How many items, by subject and state."""

NOTHING = "—"
STATUS_COLOURS = {
    TransferStatus.DRAFT: "info",
    TransferStatus.AWAITING_APPROVAL: "warning",
    TransferStatus.SUBMITTED: "primary",
    TransferStatus.PARTIALLY_SUCCEEDED: "warning",
    TransferStatus.SUCCEEDED: "info",
    TransferStatus.FAILED: "danger",
    TransferStatus.VERIFIED: "success",
    TransferStatus.REJECTED: "danger",
}
STATE_COLOURS = {
    ItemState.PLANNED: "info",
    ItemState.BLOCKED: "danger",
    ItemState.PENDING: "warning",
    ItemState.QUEUED: "info",
    ItemState.SENDING: "primary",
    ItemState.UNKNOWN: "warning",
    ItemState.ACCEPTED: "primary",
    ItemState.VERIFIED: "success",
    ItemState.REFUSED: "warning",
    ItemState.FAILED: "danger",
}
#: Nothing more happens to these, and nobody has to do anything.
SETTLED = EXPLAINED | {ItemState.CANCELLED}


def counts_of(transfer_ids: Iterable[int]) -> dict[int, Counts]:
    """One query, however many there are."""
    found: dict[int, Counts] = {each: Counter() for each in transfer_ids}
    rows = (
        TransferItem.objects.filter(transfer__in=found)
        .order_by("transfer")
        .values_list("transfer", "subject", "state")
        .annotate(count=Count("pk"))
    )
    for transfer_id, subject, state, count in rows:
        found[transfer_id][subject, state] = count
    return found


def by_state(counts: Counts) -> Counter[str]:
    states: Counter[str] = Counter()
    for (_subject, state), count in counts.items():
        states[state] += count
    return states


def by_subject(counts: Counts) -> Counter[str]:
    subjects: Counter[str] = Counter()
    for (subject, _state), count in counts.items():
        subjects[subject] += count
    return subjects


def settled(counts: Counts) -> int:
    return sum(count for (_subject, state), count in counts.items() if state in SETTLED)


def troubled(counts: Counts) -> int:
    return sum(count for (_subject, state), count in counts.items() if state in MENDABLE)


def subjects_in_words(counts: Counts) -> str:
    totals = by_subject(counts)
    parts = [f"{each.label} {totals[each]:,}" for each in Subject if totals[each]]
    return " · ".join(parts) or NOTHING


def bar(done: int, total: int) -> SafeString | str:
    if not total:
        return NOTHING
    context = {
        "title": _("%(settled)s / %(total)s") % {"settled": f"{done:,}", "total": f"{total:,}"},
        "description": f"{100 * done // total}%",
        "items": [{"value": 100 * done // total, "title": ""}],
        "class": "min-w-40",
    }
    return render_to_string("unfold/components/progress.html", context)


@dataclass(frozen=True)
class Chip:
    """One state or subject with its items behind it."""

    label: str
    count: int
    query: str
    tone: str
    is_chosen: bool


def state_chips(counts: Counts, *, subject: str, chosen: str) -> Iterator[Chip]:
    states = by_state(
        Counter({key: n for key, n in counts.items() if not subject or key[0] == subject})
    )
    if not states:
        return
    yield Chip(_("全部"), states.total(), urlencode({"subject": subject}), "", chosen == "")
    for state in ItemState:
        if states[state]:
            query = urlencode({"subject": subject, "state": state.value})
            tone = STATE_COLOURS.get(state, "")
            yield Chip(str(state.label), states[state], query, tone, chosen == state)


def subject_chips(counts: Counts, *, chosen: str) -> Iterator[Chip]:
    totals = by_subject(counts)
    if len(totals) < 2:
        return
    yield Chip(_("全部"), totals.total(), "", "", chosen == "")
    for subject in Subject:
        if totals[subject]:
            query = urlencode({"subject": subject.value})
            yield Chip(str(subject.label), totals[subject], query, "", chosen == subject)


class CountedTransfers(ChangeList):
    """A list whose page of hand-overs carries the counts of its items."""

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        counts = counts_of(row.pk for row in rows)
        for row in rows:
            row.item_counts = counts[row.pk]
        self.result_list = rows
