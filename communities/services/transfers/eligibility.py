"""Which colleagues may receive something, and how much they have already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet

from communities.handlers import customer_book
from communities.models import Community, GroupChat, TransferItem, TransferPolicy
from communities.rules.transfer_checks import Colleague, receiver_refusal
from communities.rules.transfer_planning import Candidate
from communities.rules.transfers import ANY_KIND, ItemState, Subject
from communities.services.gatekeeping import OVER
from scrm.accounts.models import Staff


@dataclass(frozen=True, slots=True)
class ReceiverLoad:
    """A colleague as a possible receiver of one subject.

    ``incoming``: how many items under way will come to them. ``maximum``: the limit of the policy
    in force for everything of this subject, None without one; ``left`` is what it leaves, None
    without a limit. ``refusal``: the code of why they may not receive, or empty.
    """

    staff: Staff
    owned: int
    incoming: int
    maximum: int | None
    left: int | None
    refusal: str


def refusals_of(
    enterprise_id: int, staff_ids: Collection[int], *, subject: str = Subject.CHAT
) -> dict[int, str]:
    """Why those of them who may not receive may not, as codes of ``transfer_words``."""
    colleagues = Staff.objects.filter(enterprise=enterprise_id, pk__in=staff_ids)
    found = {staff.pk: receiver_refusal(colleague_of(staff), subject) for staff in colleagues}
    refusals = {staff_id: found.get(staff_id, "receiver_elsewhere") for staff_id in staff_ids}
    return {staff_id: refusal for staff_id, refusal in refusals.items() if refusal}


def receiver_loads(
    enterprise_id: int, subject: str = Subject.CHAT, *, search: str = "", limit: int = 50
) -> list[ReceiverLoad]:
    """Active colleagues, those who may receive first, the least loaded of them first. ``search``
    is a part of the name or of the account on the platform."""
    colleagues = Staff.objects.filter(enterprise=enterprise_id).active()
    if search:
        colleagues = colleagues.filter(Q(name__icontains=search) | Q(external_id__icontains=search))
    owned, coming = owned_by(enterprise_id, subject), incoming_to(enterprise_id, subject)
    maximum = _general_maximum(enterprise_id, subject)
    loads = [
        _load_of(staff, subject, owned.get(staff.pk, 0), coming.get(staff.pk, 0), maximum)
        for staff in colleagues.select_related("department")
    ]
    loads.sort(key=lambda each: (each.refusal, each.left == 0, each.owned + each.incoming))
    return loads[:limit]


def candidates_for(
    enterprise_id: int,
    subjects: Iterable[str],
    *,
    mentioned: Collection[int] = (),
    replanned: QuerySet[TransferItem] | None = None,
) -> list[Candidate]:
    """Everybody active, and whoever is mentioned, with their loads. Items that are ``replanned``
    are on their way to nobody."""
    loads = {
        subject: added(
            owned_by(enterprise_id, subject),
            incoming_to(enterprise_id, subject, besides=replanned),
        )
        for subject in sorted(subjects)
    }
    colleagues = Staff.objects.filter(enterprise=enterprise_id)
    return [
        Candidate(
            staff.pk,
            staff.department_id,
            {subject: counts[staff.pk] for subject, counts in loads.items() if staff.pk in counts},
            {subject: receiver_refusal(colleague_of(staff), subject) for subject in loads},
        )
        for staff in colleagues.filter(Q(is_active=True) | Q(pk__in=mentioned)).order_by("pk")
    ]


def colleague_of(staff: Staff) -> Colleague:
    return Colleague(
        staff_id=staff.pk,
        userid=staff.external_id,
        is_active=staff.is_active,
        platform_status=staff.platform_status,
        can_use_customer_group=staff.can_use_customer_group,
        department_id=staff.department_id,
    )


def owned_by(enterprise_id: int, subject: str) -> Mapping[int, int]:
    """How many of this subject each colleague has now; those with none are not named."""
    if subject == Subject.CUSTOMER:
        return customer_book().loads(enterprise_id)
    if subject == Subject.CHAT:
        chats = GroupChat.objects.filter(enterprise=enterprise_id, owner__isnull=False).live()
        return dict(chats.values_list("owner").annotate(count=Count("pk")))
    communities = Community.objects.filter(enterprise=enterprise_id, owner__isnull=False)
    running = communities.exclude(status__in=OVER)
    return dict(running.values_list("owner").annotate(count=Count("pk")))


def incoming_to(
    enterprise_id: int, subject: str, *, besides: QuerySet[TransferItem] | None = None
) -> dict[int, int]:
    """How many items under way will come to each colleague, without ``besides`` them."""
    items = TransferItem.objects.holding().filter(
        enterprise=enterprise_id, subject=subject, receiver__isnull=False
    )
    if besides is not None:
        items = items.exclude(pk__in=besides.values("pk"))
    if subject == Subject.CHAT:  # what was read at its receiver's is counted there
        items = items.filter(chat__isnull=False).exclude(
            state=ItemState.ACCEPTED, chat__owner=F("receiver")
        )
    return dict(items.values_list("receiver").annotate(count=Count("pk")))


def added(these: Mapping[int, int], those: Mapping[int, int]) -> dict[int, int]:
    return {key: these.get(key, 0) + those.get(key, 0) for key in {*these, *those}}


def _load_of(
    staff: Staff, subject: str, owned: int, incoming: int, maximum: int | None
) -> ReceiverLoad:
    left = None if maximum is None else max(0, maximum - owned - incoming)
    refusal = receiver_refusal(colleague_of(staff), subject)
    return ReceiverLoad(staff, owned, incoming, maximum, left, refusal)


def _general_maximum(enterprise_id: int, subject: str) -> int | None:
    policies = TransferPolicy.objects.in_force().filter(enterprise=enterprise_id, subject=subject)
    general = policies.filter(kind=ANY_KIND, tier=None, value=None)
    return general.values_list("maximum", flat=True).first()
