"""What restrains a broadcast now: read once per slice, judged per recipient at the claim.

What it says of everybody (quiet hours) holds the run; what it says of a community (advert share,
allowed categories) and what it says of each recipient (consent, blocklist, caps, the platform's
quota) is a reason on the recipient.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from campaigns.models import Broadcast, CommunityPost, FrequencyCap, Run, SendPolicy
from campaigns.rules.guarding import CAP_DAYS, CAP_REASONS, CapWindow, ConsentRule
from campaigns.rules.guards import (
    advert_would_be_too_much,
    is_free,
    quiet_until,
    window_begins,
)
from campaigns.rules.reach import REHEARSAL
from campaigns.rules.status import OPEN_RUN, BroadcastStatus, BroadcastTarget
from campaigns.selectors.advert_share import said_by_colleagues
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.wecom.models import ChannelKind
from scrm.wecom.services.platform_clock import BEIJING, clock_ahead


@dataclass(frozen=True, slots=True)
class Cap:
    """Who has got ``limit`` messages of these runs gets no more; ``reason`` says so."""

    reason: str
    limit: int
    run_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Guards:
    """``consent_rule`` is empty where nobody's consent is asked: in chats. ``refused`` gives the
    reason why a community is not written to.

    ``promised_run_ids`` are runs that began before this one and still send: what they have planned
    counts as sent, so that of two runs at work at once only one reaches somebody near a cap.
    """

    consent_rule: str = ""
    caps: tuple[Cap, ...] = ()
    promised_run_ids: tuple[int, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    hold_until: datetime | None = None

    @classmethod
    def of(
        cls,
        broadcast: Broadcast,
        *,
        now: datetime,
        run: Run | None = None,
        communities: Sequence[int] | None = None,
    ) -> Guards:
        """``now`` is the database's; ``communities`` instead of the broadcast's own, for one that
        is not saved yet. Half a dozen small queries."""
        policy = policy_of(broadcast.enterprise_id)
        if communities is None:
            communities = list(broadcast.communities.values_list("pk", flat=True))
        earlier = _Earlier.of(broadcast, now=now, run=run)
        free = is_free(broadcast.category)
        return cls(
            consent_rule=_consent_rule(broadcast, policy),
            caps=(
                *_platform_quota(broadcast, earlier, now=now),
                *(() if free else _caps(broadcast, earlier, now=now)),
            ),
            promised_run_ids=earlier.promised,
            refused={} if free else _refused(broadcast, policy, communities, run=run, now=now),
            hold_until=None if free else _hold_until(broadcast, policy, now=now),
        )


NO_GUARDS = Guards()


def policy_of(enterprise_id: int) -> SendPolicy:
    """The enterprise's rules; one that never set any has the defaults."""
    kept = SendPolicy.objects.filter(enterprise=enterprise_id).first()
    return kept or SendPolicy(enterprise_id=enterprise_id)


def _consent_rule(broadcast: Broadcast, policy: SendPolicy) -> str:
    if broadcast.target == BroadcastTarget.CHATS:
        return ""
    return ConsentRule.NOT_REFUSED if is_free(broadcast.category) else policy.consent_rule


def _hold_until(broadcast: Broadcast, policy: SendPolicy, *, now: datetime) -> datetime | None:
    return quiet_until(
        now,
        quiet_from=policy.quiet_from,
        quiet_until=policy.quiet_until,
        zone=broadcast.enterprise.zone,
    )


# --- What was sent before -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Begun:
    pk: int
    started_at: datetime
    category: str
    channel_kind: str


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The other runs to members, or to chats, that began within the longest window."""

    runs: tuple[_Begun, ...]
    promised: tuple[int, ...]
    ahead: timedelta  # how much later it is on the platform

    @classmethod
    def of(cls, broadcast: Broadcast, *, now: datetime, run: Run | None) -> _Earlier:
        connection = getattr(broadcast.channel_account, "connection", None)
        ahead = clock_ahead(connection) if connection is not None else timedelta(0)
        since = now - timedelta(days=max(CAP_DAYS.values()) + 2) - ahead
        runs = _other_runs(broadcast, run=run).filter(started_at__gte=since)
        promised = runs.filter(status__in=OPEN_RUN, broadcast__status=BroadcastStatus.RUNNING)
        if run is not None:
            promised = promised.filter(pk__lt=run.pk)
        begun = runs.values_list(
            "pk", "started_at", "broadcast__category", "broadcast__channel_account__kind"
        )
        return cls(
            tuple(_Begun(*row) for row in begun),
            tuple(promised.values_list("pk", flat=True)),
            ahead,
        )


def _other_runs(broadcast: Broadcast, *, run: Run | None) -> QuerySet[Run]:
    """What a rehearsal says reaches nobody, so it counts for other rehearsals only."""
    runs = Run.objects.filter(
        broadcast__enterprise=broadcast.enterprise_id, broadcast__target=broadcast.target
    ).order_by("pk")
    if run is not None:
        runs = runs.exclude(pk=run.pk)
    if broadcast.channel_account.kind != REHEARSAL:
        runs = runs.exclude(broadcast__channel_account__kind=REHEARSAL)
    return runs


def _caps(broadcast: Broadcast, earlier: _Earlier, *, now: datetime) -> list[Cap]:
    """Those that somebody can have reached: with fewer runs than its limit a cap stops nobody."""
    rows = FrequencyCap.objects.filter(
        enterprise=broadcast.enterprise_id,
        target=broadcast.target,
        category__in=["", broadcast.category],
        limit__gt=0,
    )
    caps = []
    for row in sorted(rows, key=lambda row: (CAP_DAYS[CapWindow(row.window)], row.category)):
        since = window_begins(row.window, now, zone=broadcast.enterprise.zone)
        run_ids = tuple(
            begun.pk
            for begun in earlier.runs
            if begun.started_at >= since
            and not is_free(begun.category)
            and row.category in {"", begun.category}
        )
        if len(run_ids) >= row.limit:
            caps.append(Cap(CAP_REASONS[CapWindow(row.window)], row.limit, run_ids))
    return caps


def _platform_quota(broadcast: Broadcast, earlier: _Earlier, *, now: datetime) -> list[Cap]:
    """As many a month as the month has days, by the platform's calendar and whatever they say.

    Source: WeCom, page 92135. What other tools of the company sent is not known here: the platform
    says so in its result.
    """
    if broadcast.channel_account.kind != ChannelKind.WECOM:
        return []
    there = (now + earlier.ahead).astimezone(BEIJING)
    begins = there.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - earlier.ahead
    limit = monthrange(there.year, there.month)[1]
    run_ids = tuple(
        begun.pk
        for begun in earlier.runs
        if begun.started_at >= begins and begun.channel_kind == ChannelKind.WECOM
    )
    return [Cap("platform_quota", limit, run_ids)] if len(run_ids) >= limit else []


# --- Communities --------------------------------------------------------------------------------


def _refused(
    broadcast: Broadcast,
    policy: SendPolicy,
    community_ids: Sequence[int],
    *,
    run: Run | None,
    now: datetime,
) -> dict[int, str]:
    """Communities that this message may not go to, and why. One whose first messages of this run
    are out is not judged again: its people get the same answer."""
    communities = Community.objects.filter(pk__in=community_ids).only(
        "allowed_categories", "advert_share_limit"
    )
    refused = {
        community.pk: "category_not_allowed"
        for community in communities
        if community.allowed_categories and broadcast.category not in community.allowed_categories
    }
    if broadcast.category != ContentCategory.ADVERT:
        return refused
    posts = posts_of(broadcast, policy, community_ids, now=now)
    told = set()
    if run is not None:
        told = set(CommunityPost.objects.filter(run=run).values_list("community", flat=True))
    for community in communities:
        adverts, total = posts.get(community.pk, (0, 0))
        limit = policy.advert_block_percent
        if community.advert_share_limit is not None:
            limit = min(limit, community.advert_share_limit)
        too_much = advert_would_be_too_much(
            adverts=adverts,
            posts=total,
            limit_percent=limit,
            minimum_posts=policy.advert_minimum_posts,
        )
        if too_much and community.pk not in told:
            refused.setdefault(community.pk, "advert_share")
    return refused


def posts_of(
    broadcast: Broadcast, policy: SendPolicy, community_ids: Sequence[int], *, now: datetime
) -> dict[int, tuple[int, int]]:
    """Per community, the adverts among what it was told in the last days, and all of that: what was
    sent there and what colleagues said there themselves."""
    posts = CommunityPost.objects.filter(
        community__in=community_ids,
        posted_at__gt=now - timedelta(days=policy.advert_window_days),
    )
    if broadcast.channel_account.kind != REHEARSAL:
        posts = posts.exclude(run__broadcast__channel_account__kind=REHEARSAL)
    counted = posts.values_list("community").annotate(
        adverts=Count("pk", filter=Q(category=ContentCategory.ADVERT)), total=Count("pk")
    )
    sent = {community: (adverts, total) for community, adverts, total in counted.order_by()}
    today = now.astimezone(broadcast.enterprise.zone).date()
    first = today - timedelta(days=policy.advert_window_days - 1)
    said = said_by_colleagues(community_ids, days=(first, today))
    return {
        pk: (sent.get(pk, (0, 0))[0], sent.get(pk, (0, 0))[1] + said.get(pk, 0))
        for pk in sent.keys() | said
    }
