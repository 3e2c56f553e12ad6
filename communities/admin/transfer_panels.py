"""What the page of a hand-over shows beside its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from communities.admin.transfer_progress import (
    STATE_COLOURS,
    Counts,
    by_state,
    counts_of,
    settled,
    subjects_in_words,
    troubled,
)
from communities.admin.transfer_rows import ItemPage, item_page, list_of
from communities.models import OwnershipTransfer
from communities.rules.transfer_status import SUBMITTABLE
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import ItemState, Subject, TransferStatus
from communities.services.transfers.planning import GiverQuota, ReceiverShare, preflight_of
from scrm.accounts.admin_scope import admin_user
from scrm.accounts.models import Staff, User

PLACE = "admin/communities/ownershiptransfer"
SHOWN = 12
MOVING = frozenset(
    {TransferStatus.SUBMITTED, TransferStatus.SUCCEEDED, TransferStatus.PARTIALLY_SUCCEEDED}
)


@dataclass(frozen=True)
class StateLine:
    label: str
    count: int
    tone: str
    link: str


@dataclass(frozen=True)
class Progress:
    """How far the items of a hand-over are."""

    states: list[StateLine]
    words: str
    total: int
    settled: int
    troubled: int

    @property
    def percent(self) -> int:
        return 100 * self.settled // self.total if self.total else 0


@dataclass(frozen=True)
class QuotaLine:
    giver: str
    used: int
    left: int
    asked: int
    days: int
    is_exhausted: bool


@dataclass(frozen=True)
class ShareLine:
    receiver: str
    subject: str
    count: int
    owned: int
    incoming: int


@dataclass(frozen=True)
class Conflict:
    words: str
    count: int


@dataclass(frozen=True)
class ItemPanel:
    """The part of the panels that turns pages."""

    items: ItemPage


@dataclass(frozen=True)
class Panels:
    """``days``: on how many days of the platform chats will be sent."""

    transfer: OwnershipTransfer
    is_draft: bool
    is_moving: bool
    progress: Progress
    items: ItemPage
    ready: int
    blocked: int
    needs_approval: bool
    conflicts: list[Conflict]
    quotas: list[QuotaLine]
    more_quotas: int
    shares: list[ShareLine]
    more_shares: int
    days: int
    links: dict[str, str]


def progress_of(transfer_id: int, counts: Counts) -> Progress:
    states = by_state(counts)
    return Progress(
        states=[
            StateLine(
                label=str(state.label),
                count=states[state],
                tone=STATE_COLOURS.get(state, ""),
                link=list_of(transfer_id, state=state.value),
            )
            for state in ItemState
            if states[state]
        ],
        words=subjects_in_words(counts),
        total=counts.total(),
        settled=settled(counts),
        troubled=troubled(counts),
    )


def panels_of(request: HttpRequest, transfer: OwnershipTransfer) -> Panels:
    """A constant number of queries; one page of the items."""
    user = admin_user(request)
    planned = preflight_of(transfer)
    counts = counts_of([transfer.pk])[transfer.pk]
    shares = sorted(planned.receivers, key=lambda share: (-share.count, share.receiver_id))
    quotas = sorted(planned.quotas, key=lambda quota: (-quota.days, -quota.asked, quota.giver_id))
    names = names_of(user, shares[:SHOWN], quotas[:SHOWN])
    conflicts = sorted(planned.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    return Panels(
        transfer=transfer,
        is_draft=transfer.status in SUBMITTABLE,
        is_moving=transfer.status in MOVING,
        progress=progress_of(transfer.pk, counts),
        items=item_page(request, transfer, counts, user=user),
        ready=planned.ready,
        blocked=planned.blocked,
        needs_approval=planned.needs_approval,
        conflicts=[Conflict(reason_words(code), count) for code, count in conflicts],
        quotas=[quota_line(quota, names) for quota in quotas[:SHOWN]],
        more_quotas=max(0, len(quotas) - SHOWN),
        shares=[share_line(share, names) for share in shares[:SHOWN]],
        more_shares=max(0, len(shares) - SHOWN),
        days=max((quota.days for quota in quotas), default=0),
        links=links_of(transfer),
    )


def fragment_of(request: HttpRequest, transfer: OwnershipTransfer) -> HttpResponse | None:
    """The part of the page that htmx asks for again. When the status has moved, so must the
    buttons: the whole page is loaded again."""
    match request.GET.get("fragment"):
        case "items":
            counts = counts_of([transfer.pk])[transfer.pk]
            items = item_page(request, transfer, counts, user=admin_user(request))
            return render(request, f"{PLACE}/items.html", {"panels": ItemPanel(items)})
        case "progress" if request.GET.get("was") == transfer.status:
            context = {"panels": panels_of(request, transfer)}
            return render(request, f"{PLACE}/progress.html", context)
        case "progress":
            return HttpResponse(headers={"HX-Refresh": "true"})
    return None


def names_of(user: User, shares: list[ReceiverShare], quotas: list[GiverQuota]) -> dict[int, str]:
    ids = {share.receiver_id for share in shares} | {quota.giver_id for quota in quotas}
    people = Staff.objects.visible_to(user).filter(pk__in=ids)
    return dict(people.values_list("pk", "name"))


def quota_line(quota: GiverQuota, names: dict[int, str]) -> QuotaLine:
    return QuotaLine(
        giver=names.get(quota.giver_id, ""),
        used=quota.used,
        left=quota.left,
        asked=quota.asked,
        days=quota.days,
        is_exhausted=quota.is_exhausted,
    )


def share_line(share: ReceiverShare, names: dict[int, str]) -> ShareLine:
    return ShareLine(
        receiver=names.get(share.receiver_id, ""),
        subject=str(Subject(share.subject).label),
        count=share.count,
        owned=share.owned,
        incoming=share.incoming,
    )


def links_of(transfer: OwnershipTransfer) -> dict[str, Any]:
    names = "admin:communities_ownershiptransfer_"
    return {
        "list": list_of(transfer.pk),
        "submit": reverse(f"{names}submit", args=[transfer.pk]),
        "page": reverse(f"{names}change", args=[transfer.pk]),
        "case": reverse("admin:communities_resignationcase_change", args=[transfer.case_id])
        if transfer.case_id
        else "",
    }
