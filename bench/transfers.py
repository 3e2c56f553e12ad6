"""Who takes over what, planned by policies for colleagues in departments. Items are things.

limit:preflight  hand-written SQL that gives each of 2,000 chats to a colleague in turn, with the
                 same checks of chats, connection and loads
ours:preflight   the preflight of a draft with 2,000 chats: 3 seconds are 667 items/s
limit:leaver     hand-written SQL that writes an item for every chat and customer of somebody and
                 gives it to a colleague in turn
ours:leaver      the draft for somebody who left with 3,000 chats and 50,000 customers: listed and
                 planned by policy; 10 seconds are 5,300 items/s
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from bench.harness import Case
from communities.models import (
    ClassificationAxis,
    Community,
    GroupChat,
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
    TransferPolicy,
)
from communities.rules.status import CommunityStatus
from communities.rules.transfers import CaseCause, ItemState, Selection, Subject
from communities.services.ownership.owning import own_new_chats
from communities.services.transfers.planning import add_chats, preflight
from communities.services.transfers.submitting import draft_transfer
from scrm.accounts.models import Department, Enterprise, Staff, StaffPlatformStatus
from scrm.wecom.models import ChannelAccount, ChannelKind, WecomConnection
from scrm.wecom.rules.status import ConnectionState

SIZE = 53_000
PREFLIGHT = 2000  # chats
CHATS_OF = 3 / 53  # of what somebody leaves behind
COLLEAGUES, DEPARTMENTS, COMMUNITIES, VALUES = 300, 12, 120, 8
CHATS_EACH, CUSTOMERS_EACH = 15, 150
FEW = 20  # items of the draft whose queries are compared

CREATE_MEMBERS = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, 'customer-' || n, '客户' || n, '' FROM generate_series(1, %(size)s) n
"""
# The first of them are the leaver's, the others belong to the colleagues in turn.
CREATE_FOLLOWS = """
INSERT INTO members_follow (
    enterprise_id, channel_account_id, member_id, staff_id, external_userid, end_reason
)
SELECT %(enterprise)s, %(account)s, member.id,
       CASE WHEN n <= %(customers)s THEN %(leaver)s
            ELSE (%(staff)s::bigint[])[1 + n %% cardinality(%(staff)s::bigint[])] END,
       'wm' || lpad(n::text, 30, '0'), ''
FROM (
    SELECT id, row_number() OVER (ORDER BY id) AS n
    FROM members_member WHERE enterprise_id = %(enterprise)s
) member
"""
CHATS_BY_HAND = """
WITH receiver AS (
    SELECT staff.id, row_number() OVER (ORDER BY count(chat.id), staff.id) - 1 AS turn,
           count(*) OVER () AS everybody
    FROM accounts_staff staff
    LEFT JOIN communities_groupchat chat ON chat.owner_id = staff.id AND chat.state <> 'dissolved'
    WHERE staff.enterprise_id = %(enterprise)s AND staff.is_active
      AND staff.platform_status = 'active' AND staff.can_use_customer_group
    GROUP BY staff.id
), item AS (
    SELECT item.id, item.giver_id, row_number() OVER (ORDER BY item.id) AS turn
    FROM communities_transferitem item
    JOIN communities_groupchat chat ON chat.id = item.chat_id AND chat.state <> 'dissolved'
     AND chat.owner_id = item.giver_id
    JOIN wecom_wecomconnection link ON link.account_id = chat.channel_account_id
     AND link.state <> 'paused'
    WHERE item.transfer_id = %(transfer)s AND NOT EXISTS (
        SELECT FROM communities_transferitem held
        WHERE held.chat_id = item.chat_id
          AND held.state IN ('pending', 'queued', 'sending', 'unknown', 'accepted')
    )
)
UPDATE communities_transferitem kept
SET receiver_id = receiver.id, selection = 'least_loaded', route = 'on_job'
FROM item JOIN receiver ON receiver.turn = item.turn %% receiver.everybody
WHERE kept.id = item.id AND receiver.id <> item.giver_id
"""
LEAVER_BY_HAND = """
WITH receiver AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS turn, count(*) OVER () AS everybody
    FROM accounts_staff staff
    WHERE enterprise_id = %(enterprise)s AND is_active AND platform_status = 'active'
      AND can_use_customer_group
), thing AS (
    SELECT 'chat' AS subject, channel_account_id, id AS chat_id, '' AS external_userid
    FROM communities_groupchat WHERE owner_id = %(leaver)s AND state <> 'dissolved'
    UNION ALL
    SELECT 'customer', channel_account_id, NULL, external_userid
    FROM members_follow WHERE staff_id = %(leaver)s AND ended_at IS NULL AND is_mutual
)
INSERT INTO communities_transferitem (
    enterprise_id, transfer_id, subject, channel_account_id, chat_id, external_userid, giver_id,
    receiver_id, selection, route
)
SELECT %(enterprise)s, %(transfer)s, subject, channel_account_id, chat_id, external_userid,
       %(leaver)s, receiver.id, 'least_loaded', 'resigned'
FROM (SELECT *, row_number() OVER () AS turn FROM thing) thing
JOIN receiver ON receiver.turn = thing.turn %% receiver.everybody
"""


class Company:
    """One with so much to hand over: colleagues in departments, communities of two kinds, policies
    of every way, and somebody who has left with all of it."""

    def __init__(self, size: int) -> None:
        slug = f"transfers-{size}-{Enterprise.objects.count()}"
        self.enterprise = Enterprise.objects.create(slug=slug, name=slug)
        self.chats = max(1, round(size * CHATS_OF))
        self.customers = size - self.chats
        account = ChannelAccount.objects.create(
            enterprise=self.enterprise, name=slug, kind=ChannelKind.WECOM
        )
        WecomConnection.objects.create(
            enterprise=self.enterprise,
            account=account,
            corp_id=slug,
            agent_id=1,
            callback_key=slug,
            state=ConnectionState.CONNECTED,
        )
        self.account = account
        self.leaver, self.staff = self._people(slug)
        communities = self._communities(slug)
        with transaction.atomic():
            self._chats([self.leaver], self.chats, communities)
            self._chats(self.staff, CHATS_EACH * COLLEAGUES, communities)
        self._follow()
        with connection.cursor() as cursor:
            cursor.execute(
                "VACUUM ANALYZE members_follow, communities_groupchat, communities_transferitem"
            )

    def _people(self, slug: str) -> tuple[Staff, list[Staff]]:
        head = Department.objects.create(enterprise=self.enterprise, name="总部")
        departments = Department.objects.bulk_create(
            Department(enterprise=self.enterprise, name=f"部门{n}", parent=head)
            for n in range(DEPARTMENTS)
        )
        leaver, *staff = Staff.objects.bulk_create(
            Staff(
                enterprise=self.enterprise,
                name=f"员工{n}",
                external_id=f"{slug}-{n}",
                department=departments[n % DEPARTMENTS],
                platform_status=StaffPlatformStatus.ACTIVE if n else StaffPlatformStatus.LEFT,
                is_active=n > 0,
                can_use_customer_group=n % 10 != 9,
            )
            for n in range(COLLEAGUES + 1)
        )
        return leaver, staff

    def _communities(self, slug: str) -> list[Community]:
        axis = ClassificationAxis.objects.create(
            enterprise=self.enterprise, code="region", name="地区"
        )
        values = [axis.values.create(code=f"v{n}", name=f"地区{n}") for n in range(VALUES)]
        communities = Community.objects.bulk_create(
            Community(
                enterprise=self.enterprise,
                code=f"{slug}-{n}",
                name=f"社群{n}",
                audience_statement="什么人",
                purpose_statement="做什么事",
                kind="vip" if n % 3 == 0 else "standard",
                status=CommunityStatus.ACTIVE,
                owner=self.staff[n % COLLEAGUES],
                backup_owner=self.staff[(n + 1) % COLLEAGUES],
            )
            for n in range(COMMUNITIES)
        )
        for n, community in enumerate(communities):
            community.classification_values.add(values[n % VALUES])
        chats, customers = Subject.CHAT, Subject.CUSTOMER
        self._policy(chats, Selection.SAME_DEPARTMENT, Selection.LEAST_LOADED, maximum=500)
        self._policy(chats, Selection.BACKUP_OWNER, Selection.LEAST_LOADED, kind="vip", maximum=80)
        fixed = self._policy(
            chats, Selection.BY_CLASSIFICATION, Selection.LEAST_LOADED, value=values[0]
        )
        for staff in self.staff[:5]:
            fixed.receivers.create(staff=staff, value=values[0])
        self._policy(customers, Selection.SAME_DEPARTMENT, Selection.LEAST_LOADED, maximum=5000)
        return communities

    def _policy(
        self, subject: str, selection: str, fallback: str, **fields: object
    ) -> TransferPolicy:
        return TransferPolicy.objects.create(
            enterprise=self.enterprise,
            name="规则",
            subject=subject,
            selection=selection,
            fallback=fallback,
            **fields,
        )

    def _chats(self, owners: list[Staff], count: int, communities: list[Community]) -> None:
        chats = GroupChat.objects.bulk_create(
            GroupChat(
                enterprise=self.enterprise,
                channel_account=self.account,
                external_id=f"wr{owners[0].pk}-{n}",
                name=f"群{n}",
                owner=owners[n % len(owners)],
                owner_userid=owners[n % len(owners)].external_id,
                community=communities[n % COMMUNITIES] if n % 5 else None,
            )
            for n in range(count)
        )
        own_new_chats(chats)

    def _follow(self) -> None:
        values: dict[str, Any] = {
            "enterprise": self.enterprise.pk,
            "account": self.account.pk,
            "leaver": self.leaver.pk,
            "customers": self.customers,
            "staff": [each.pk for each in self.staff],
            "size": self.customers + CUSTOMERS_EACH * COLLEAGUES,
        }
        with connection.cursor() as cursor:
            cursor.execute(CREATE_MEMBERS, values)
            cursor.execute(CREATE_FOLLOWS, values)

    def draft(self, **fields: object) -> OwnershipTransfer:
        return OwnershipTransfer.objects.create(enterprise=self.enterprise, **fields)

    def draft_of_chats(self, count: int) -> OwnershipTransfer:
        draft = self.draft()
        mine = GroupChat.objects.filter(owner=self.leaver).order_by("pk")
        assert add_chats(draft, mine[:count]) == count
        return draft

    def case(self) -> ResignationCase:
        return ResignationCase.objects.create(
            enterprise=self.enterprise, staff=self.leaver, cause=CaseCause.PLATFORM
        )


companies: dict[int, Company] = {}


def company_of(size: int) -> Company:
    """Made once per size; without the plans of the round before."""
    if size not in companies:
        companies[size] = Company(size)
    company = companies[size]
    company.leaver.given_items.all().delete()
    OwnershipTransfer.objects.filter(enterprise=company.enterprise).delete()
    company.leaver.resignation_cases.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE communities_transferitem")
    return company


def queries_of(transfer: OwnershipTransfer) -> int:
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        preflight(transfer.pk)
    return len(queries)


class ByHand:
    """The preflight of chats."""

    name = "limit:preflight"
    most: int | None = PREFLIGHT

    def prepare(self, size: int) -> None:
        self.company = company_of(round(size / CHATS_OF))
        self.transfer = self.company.draft_of_chats(size)

    def run(self, size: int) -> int:
        values = {"enterprise": self.company.enterprise.pk, "transfer": self.transfer.pk}
        with connection.cursor() as cursor:
            cursor.execute(CHATS_BY_HAND, values)
            return int(cursor.rowcount)

    def verify(self, size: int) -> None:
        planned = self.transfer.items.filter(state=ItemState.PLANNED, receiver__isnull=False)
        assert planned.count() == size

    def clean(self) -> None:
        pass


class Preflight(ByHand):
    name = "ours:preflight"

    def run(self, size: int) -> int:
        with transaction.atomic():
            return preflight(self.transfer.pk).ready

    def verify(self, size: int) -> None:
        super().verify(size)
        few = self.company.draft_of_chats(min(size, FEW))
        assert queries_of(few) - 1 <= queries_of(self.transfer) <= queries_of(few)


class LeaverByHand:
    """Everything of somebody who has left."""

    name = "limit:leaver"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.company = company_of(size)
        self.transfer = self.company.draft()

    def run(self, size: int) -> int:
        values = {
            "enterprise": self.company.enterprise.pk,
            "transfer": self.transfer.pk,
            "leaver": self.company.leaver.pk,
        }
        with connection.cursor() as cursor:
            cursor.execute(LEAVER_BY_HAND, values)
            return int(cursor.rowcount)

    def verify(self, size: int) -> None:
        items = TransferItem.objects.filter(transfer=self.transfer, receiver__isnull=False)
        assert items.filter(subject=Subject.CHAT).count() == self.company.chats
        assert items.filter(subject=Subject.CUSTOMER).count() == self.company.customers

    def clean(self) -> None:
        pass


class Leaver(LeaverByHand):
    name = "ours:leaver"

    def prepare(self, size: int) -> None:
        self.company = company_of(size)
        self.case = self.company.case()

    def run(self, size: int) -> int:
        self.transfer = draft_transfer(
            actor=None, case=self.case, everything_of=self.company.leaver
        )
        return self.transfer.items.filter(state=ItemState.PLANNED).count()


def cases() -> list[Case]:
    return [ByHand(), Preflight(), LeaverByHand(), Leaver()]
