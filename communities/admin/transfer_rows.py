"""Items of a hand-over as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from communities.admin.transfer_progress import (
    NOTHING,
    STATE_COLOURS,
    Chip,
    Counts,
    state_chips,
    subject_chips,
)
from communities.handlers import customer_book
from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfer_status import MENDABLE
from communities.rules.transfer_words import item_words
from communities.rules.transfers import ItemState, Subject
from communities.services.transfers.limits import hand_overs_left
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

PER_PAGE = 50
RELATED = ("chat", "community", "giver", "receiver", "policy", "transfer")


@dataclass(frozen=True)
class ItemRow:
    pk: int
    subject: str
    name: str
    link: str
    giver: str
    receiver: str
    how: str
    state: str
    tone: str
    words: str
    when: str


@dataclass(frozen=True)
class ItemPage:
    """Some of the items, with the ways to the others."""

    rows: list[ItemRow]
    states: list[Chip]
    subjects: list[Chip]
    number: int
    last: int
    count: int
    list_link: str
    earlier: str = ""
    later: str = ""


def names_of_customers(items: Sequence[TransferItem], *, user: User) -> dict[str, str]:
    """Who may not see members sees no names of theirs."""
    ids = [item.external_userid for item in items if item.subject == Subject.CUSTOMER]
    if not ids or not user.can(Capability.VIEW_MEMBERS):
        return {}
    return dict(customer_book().names(user.enterprise_id, ids))


def name_of(item: TransferItem, customers: dict[str, str]) -> str:
    if item.chat is not None:
        return item.chat.name or item.chat.external_id
    if item.community is not None:
        return item.community.name
    return customers.get(item.external_userid) or item.external_userid


def link_of(item: TransferItem) -> str:
    if item.chat_id is not None:
        return reverse("admin:communities_groupchat_change", args=[item.chat_id])
    if item.community_id is not None:
        return reverse("admin:communities_community_change", args=[item.community_id])
    return ""


def how_in_words(item: TransferItem) -> str:
    """By which rule the receiver was found."""
    selection = item.get_selection_display() if item.selection else ""
    policy = item.policy.name if item.policy is not None else ""
    return "：".join(part for part in (policy, str(selection)) if part) or NOTHING


def when_in_words(item: TransferItem) -> str:
    def moment(instant: Any) -> str:
        return date_format(localtime(instant), "m-d H:i")

    if item.verified_at is not None:
        return moment(item.verified_at)
    if item.state == ItemState.ACCEPTED and item.takeover_at is not None:
        return _("%(when)s 前客户可以拒绝") % {"when": moment(item.takeover_at)}
    if item.sent_at is not None:
        return _("%(when)s 提交") % {"when": moment(item.sent_at)}
    return ""


def chances_in_words(left: int | None) -> str:
    """How often the platform still takes it on the job."""
    return "" if left is None else _("90 天内还可转 %(count)d 次") % {"count": left}


def rows_of(items: Sequence[TransferItem], *, user: User) -> list[ItemRow]:
    customers = names_of_customers(items, user=user)
    left = hand_overs_left(items)
    return [
        ItemRow(
            pk=item.pk,
            subject=str(item.get_subject_display()),
            name=name_of(item, customers),
            link=link_of(item),
            giver=item.giver.name,
            receiver=item.receiver.name if item.receiver is not None else NOTHING,
            how=how_in_words(item),
            state=str(item.get_state_display()),
            tone=STATE_COLOURS.get(ItemState(item.state), ""),
            words=item_words(item) or item.note,
            when=when_in_words(item) or chances_in_words(left.get(item.pk)),
        )
        for item in items
    ]


def troubled_first(items: QuerySet[TransferItem]) -> QuerySet[TransferItem]:
    """What a person has to look at comes first."""
    rank = Case(
        When(state__in=sorted(MENDABLE), then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    return items.order_by(rank, "pk")


def item_page(
    request: HttpRequest, transfer: OwnershipTransfer, counts: Counts, *, user: User
) -> ItemPage:
    state = one_of(request.GET.get("state", ""), ItemState.values)
    subject = one_of(request.GET.get("subject", ""), Subject.values)
    count = matching(counts, subject=subject, state=state)
    last = max(1, -(-count // PER_PAGE))
    number = min(max(1, number_in(request.GET.get("page", ""))), last)
    narrowed = {"subject": subject, "state": state}
    return ItemPage(
        rows=rows_of(shown_items(transfer, number=number, **narrowed), user=user),
        states=list(state_chips(counts, subject=subject, chosen=state)),
        subjects=list(subject_chips(counts, chosen=subject)),
        number=number,
        last=last,
        count=count,
        list_link=list_of(transfer.pk, **narrowed),
        earlier=urlencode({**narrowed, "page": number - 1}) if number > 1 else "",
        later=urlencode({**narrowed, "page": number + 1}) if number < last else "",
    )


def shown_items(
    transfer: OwnershipTransfer, *, subject: str, state: str, number: int
) -> list[TransferItem]:
    """The items of one page. They are found in the index alone, and only these are read."""
    found: QuerySet[TransferItem] = TransferItem.objects.filter(transfer=transfer)
    if subject:
        found = found.filter(subject=subject)
    found = found.filter(state=state).order_by("pk") if state else troubled_first(found)
    start = (number - 1) * PER_PAGE
    ids = list(found.values_list("pk", flat=True)[start : start + PER_PAGE])
    items = TransferItem.objects.select_related(*RELATED).in_bulk(ids)
    return [items[each] for each in ids if each in items]


def one_of(asked: str, known: Sequence[str]) -> str:
    return asked if asked in known else ""


def number_in(asked: str) -> int:
    return int(asked) if asked.isdecimal() and len(asked) < 9 else 1


def matching(counts: Counts, *, subject: str, state: str) -> int:
    return sum(n for (of, at), n in counts.items() if subject in {"", of} and state in {"", at})


def list_of(transfer_id: int, *, subject: str = "", state: str = "") -> str:
    """The list of these items, where several can be dealt with at once."""
    narrowed = {"transfer__id__exact": str(transfer_id)}
    if subject:
        narrowed["subject__exact"] = subject
    if state:
        narrowed["state__exact"] = state
    return f"{reverse('admin:communities_transferitem_changelist')}?{urlencode(narrowed)}"
