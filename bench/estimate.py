"""Whom a broadcast would reach, and why not the others, with every guard at work.

limit         the same counts in hand-written SQL
ours          the estimate: a row per reason and community, texts included; items are members
limit:claim   the recipients of a dispatch, read without a guard; items are recipients
ours:claim    the same with every guard; nobody of them is refused
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import cycle
from typing import Any

from django.db import connection
from django.utils import timezone

from bench.harness import Case
from campaigns.models import Broadcast, FrequencyCap, Run
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.selectors.estimates import estimate_audience
from campaigns.selectors.guards import NO_GUARDS, Guards
from campaigns.selectors.recipients import Mailing, load_recipients
from communities.models import Community
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import Enterprise, User
from scrm.wecom.models import ChannelAccount

SIZE = 1_000_000
COMMUNITIES = 10
EARLIER_RUNS = 4
DISPATCH_SIZE = 1_000

# Every twentieth is in a second community. One in ten never consented or said no, one in a
# thousand is blocked; the newest of the earlier runs reached one in five.
CREATE = """
WITH people AS (
    INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
    SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n
    RETURNING id
), places AS (
    SELECT id, %(communities)s::bigint[] AS ids FROM people
)
INSERT INTO members_membership (enterprise_id, member_id, community_id, source, leave_reason)
SELECT %(enterprise)s, id, ids[1 + id %% 10], 'import', '' FROM places
UNION ALL
SELECT %(enterprise)s, id, ids[1 + (id + 1) %% 10], 'import', '' FROM places WHERE id %% 20 = 0;

INSERT INTO members_consent (member_id, purpose, decision, text_version, source)
SELECT id, 'broadcast', CASE WHEN id %% 20 = 1 THEN 'denied' ELSE 'granted' END, '1', 'bench'
FROM members_member WHERE enterprise_id = %(enterprise)s AND id %% 20 <> 2;

INSERT INTO members_consent (member_id, purpose, decision, text_version, source)
SELECT id, 'broadcast', 'withdrawn', '1', 'bench'
FROM members_member WHERE enterprise_id = %(enterprise)s AND id %% 100 = 3;

INSERT INTO members_blocklistentry (enterprise_id, member_id, reason)
SELECT enterprise_id, id, 'bench' FROM members_member
WHERE enterprise_id = %(enterprise)s AND id %% 1000 = 4;
"""

DELIVERED = """
INSERT INTO campaigns_delivery (run_id, recipient_id, status, settled_at)
SELECT %(run)s, id, 'delivered', now() FROM members_member
WHERE enterprise_id = %(enterprise)s AND (%(is_newest)s = FALSE OR id %% 5 = 0)
"""

BY_HAND = """
WITH here AS (
    SELECT member_id, min(community_id) AS community_id FROM members_membership
    WHERE community_id = ANY(%(communities)s) AND left_at IS NULL GROUP BY member_id
), word AS (
    SELECT DISTINCT ON (member_id) member_id, decision FROM members_consent
    WHERE purpose = 'broadcast' ORDER BY member_id, id DESC
), got AS (
    SELECT recipient_id, count(*) AS n FROM campaigns_delivery
    WHERE run_id = ANY(%(runs)s) AND status = 'delivered' GROUP BY recipient_id
)
SELECT CASE WHEN block.member_id IS NOT NULL THEN 'blocked' WHEN decision = 'withdrawn'
        THEN 'consent_withdrawn' WHEN decision = 'denied' THEN 'consent_denied'
        WHEN decision IS NULL THEN 'no_consent' WHEN n >= %(limit)s THEN 'cap_week' ELSE '' END,
    count(*)
FROM here LEFT JOIN word USING (member_id)
LEFT JOIN members_blocklistentry block ON block.member_id = here.member_id
LEFT JOIN got ON got.recipient_id = here.member_id
GROUP BY 1
"""

expected: dict[int, dict[str, int]] = {}  # reason -> how many, by size


def broadcast_of(size: int) -> Broadcast:
    """To everybody, with four runs of the week behind it; made once per size."""
    slug = f"estimate-{size}"
    found = Broadcast.objects.filter(enterprise__slug=slug, name="now").first()
    if found is not None:
        return found
    enterprise = Enterprise.objects.create(slug=slug, name=slug)
    communities = [
        Community.objects.create(enterprise=enterprise, code=f"{slug}-{n}", name=f"{n} 群")
        for n in range(COMMUNITIES)
    ]
    values: dict[str, Any] = {"enterprise": enterprise.pk, "size": size}
    values["communities"] = [community.pk for community in communities]
    with connection.cursor() as cursor:
        cursor.execute(CREATE, values)
    for number in range(EARLIER_RUNS):
        earlier = _broadcast(enterprise, f"earlier {number}", communities)
        begun = timezone.now() - timedelta(hours=number + 1)
        run = Run.objects.create(
            broadcast=earlier, planned_for=begun, started_at=begun, status=RunStatus.FINISHED
        )
        values = {"run": run.pk, "enterprise": enterprise.pk, "is_newest": number == 0}
        with connection.cursor() as cursor:
            cursor.execute(DELIVERED, values)
    for window, limit in (("week", EARLIER_RUNS), ("month", EARLIER_RUNS)):
        FrequencyCap.objects.create(
            enterprise=enterprise, target="members", window=window, limit=limit
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return _broadcast(enterprise, "now", communities)


def _broadcast(enterprise: Enterprise, name: str, communities: list[Community]) -> Broadcast:
    author, _ = User.objects.get_or_create(username=enterprise.slug, enterprise=enterprise)
    account, _ = ChannelAccount.objects.get_or_create(
        enterprise=enterprise, name="noop", kind="noop"
    )
    broadcast = Broadcast.objects.create(
        enterprise=enterprise,
        name=name,
        body="{{昵称}}，周六见",
        category=ContentCategory.BENEFIT,
        channel_account=account,
        author=author,
        last_editor=author,
        status=BroadcastStatus.COMPLETED,
    )
    broadcast.communities.set(communities)
    return broadcast


class CountByHand:
    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        broadcast = broadcast_of(size)
        runs = Run.objects.filter(broadcast__enterprise=broadcast.enterprise)
        self.values: dict[str, Any] = {
            "communities": list(broadcast.communities.values_list("pk", flat=True)),
            "runs": list(runs.values_list("pk", flat=True)),
            "limit": EARLIER_RUNS,
        }
        self.run(size)

    def run(self, size: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(BY_HAND, self.values)
            self.counted = dict(cursor.fetchall())
        return size

    def verify(self, size: int) -> None:
        assert sum(self.counted.values()) == size, self.counted
        expected[size] = self.counted

    def clean(self) -> None:
        pass


class Estimated:
    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.broadcast = broadcast_of(size)
        self.run(size)

    def run(self, size: int) -> int:
        self.estimate = estimate_audience(self.broadcast, as_of=timezone.now())
        return size

    def verify(self, size: int) -> None:
        estimate = self.estimate
        counted = Counter({one.reason: one.count for one in estimate.excluded})
        assert counted.pop("in_several_communities") == size // 20
        counted[""] = estimate.will_send_count
        assert counted == Counter(expected[size]), (counted, expected[size])
        assert len(estimate.samples) == 3

    def clean(self) -> None:
        pass


class Claimed:
    """Dispatch by dispatch, over those whom no guard stops."""

    most: int | None = None

    def __init__(self, *, is_guarded: bool) -> None:
        self.name = "ours:claim" if is_guarded else "limit:claim"
        self.is_guarded = is_guarded

    def prepare(self, size: int) -> None:
        broadcast = broadcast_of(size)
        names = dict(broadcast.communities.values_list("pk", "name"))
        self.mailing = Mailing.of(broadcast, communities=names)
        self.guards = Guards.of(broadcast, now=timezone.now()) if self.is_guarded else NO_GUARDS
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM members_member WHERE enterprise_id = %s AND id %% 5 <> 0"
                " AND id %% 20 NOT IN (1, 2) AND id %% 100 <> 3 AND id %% 1000 <> 4 ORDER BY id",
                [broadcast.enterprise_id],
            )
            ids = [pk for (pk,) in cursor.fetchall()]
        starts = range(0, len(ids), DISPATCH_SIZE)
        self.dispatches = [ids[start : start + DISPATCH_SIZE] for start in starts]

    def run(self, size: int) -> int:
        """As many as the audience has, some of them a second time."""
        self.refused = done = 0
        for dispatch in cycle(self.dispatches):
            ids = dispatch[: size - done]
            rows = load_recipients(self.mailing, ids, self.guards)
            assert len(rows) == len(ids)
            self.refused += sum(1 for row in rows if row.refusal)
            done += len(ids)
            if done == size:
                break
        return done

    def verify(self, size: int) -> None:
        assert not self.refused

    def clean(self) -> None:
        pass


def cases() -> list[Case]:
    return [CountByHand(), Estimated(), Claimed(is_guarded=False), Claimed(is_guarded=True)]
