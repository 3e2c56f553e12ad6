"""Planning welcomes, in the transaction of the joining."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from campaigns.channels.registry import unattended_kinds
from campaigns.models import WelcomeDelivery, WelcomePolicy
from campaigns.rules.status import WelcomeStatus
from campaigns.signals import welcome_planned
from members.models import Membership, Stay
from members.rules.status import JoinSource
from scrm.shared.clock import database_now

#: Later than this after joining, a welcome would only be strange.
WELCOME_WINDOW = timedelta(hours=24)
PLATFORM_GREETS = "platform_greets"


@transaction.atomic
def plan_welcome(stay_id: int) -> WelcomeDelivery | None:
    """The welcome of one stay, at most once. None where nothing is to be said, or too late.

    Who came by an import is mostly an old member put on file: skipped, unless the policy says
    otherwise, and the row says why. In chats where only the platform can greet, it does.
    """
    stay = Stay.objects.select_related("membership__community", "chat__channel_account").get(
        pk=stay_id
    )
    if stay.membership is None:  # the chat carries no community
        return None
    policy = WelcomePolicy.objects.for_community(stay.membership.community).first()
    if policy is None or database_now() - stay.joined_at > WELCOME_WINDOW:
        return None
    reason = _why_skipped(stay, stay.membership, policy)
    if reason is None:
        return _plan(stay, policy)
    _skip([(stay, policy, reason)])
    return WelcomeDelivery.objects.get(stay=stay, step=0)


@transaction.atomic
def plan_welcomes(stay_ids: Sequence[int]) -> None:
    """The same for many newcomers. Whom nothing is said to, or whom only the platform greets, costs
    no query of its own."""
    stays = Stay.objects.filter(pk__in=stay_ids, membership__isnull=False)
    stays = stays.select_related("membership__community", "chat__channel_account")
    policies: dict[int, WelcomePolicy | None] = {}
    skipped: list[tuple[Stay, WelcomePolicy, str]] = []
    now = database_now()
    for stay in stays.order_by("pk"):
        assert stay.membership is not None
        community = stay.membership.community
        if community.pk not in policies:
            policies[community.pk] = WelcomePolicy.objects.for_community(community).first()
        policy = policies[community.pk]
        if policy is None or now - stay.joined_at > WELCOME_WINDOW:
            continue
        reason = _why_skipped(stay, stay.membership, policy)
        if reason is None:
            _plan(stay, policy)
        else:
            skipped.append((stay, policy, reason))
    _skip(skipped)


def _why_skipped(stay: Stay, membership: Membership, policy: WelcomePolicy) -> str | None:
    if stay.chat.channel_account.kind not in unattended_kinds():
        return PLATFORM_GREETS
    if membership.source == JoinSource.IMPORT and not policy.greets_imported:
        return "imported"
    return None


def _plan(stay: Stay, policy: WelcomePolicy) -> WelcomeDelivery:
    welcome, is_new = WelcomeDelivery.objects.get_or_create(
        stay=stay, step=0, defaults={"policy": policy}
    )
    if is_new:
        welcome_planned.send(sender=WelcomeDelivery, welcome_id=welcome.pk)
    return welcome


def _skip(skipped: Sequence[tuple[Stay, WelcomePolicy, str]]) -> None:
    """Nothing is sent, and the rows say why."""
    common = {"step": 0, "status": WelcomeStatus.SKIPPED, "settled_at": Now()}
    rows = [
        WelcomeDelivery(stay=stay, policy=policy, reason=reason, **common)
        for stay, policy, reason in skipped
    ]
    WelcomeDelivery.objects.bulk_create(rows, ignore_conflicts=True)
