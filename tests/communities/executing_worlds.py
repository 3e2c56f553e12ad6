"""A company on the simulator whose colleagues hand over what they own, and our rows about it."""

from __future__ import annotations

from django.db.models.functions import Now

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfers import (
    UNDER_WAY,
    ItemState,
    Route,
    Selection,
    Subject,
    TransferStatus,
)
from communities.services.transfers.executing import run_due_transfers
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.shared.clock import database_now
from scrm.wecom.models import ReadRequest
from scrm.wecom.services.platform_clock import learn_clock
from scrm.wecom.services.rereading import read_waiting
from tests.accounts.factories import StaffFactory
from tests.communities.factories import GroupChatFactory
from tests.wecom.simulated import simulated_corp

ON_JOB = "externalcontact/groupchat/onjob_transfer"
RESIGNED = "externalcontact/groupchat/transfer"
CUSTOMERS = "externalcontact/transfer_customer"
CUSTOMERS_RESIGNED = "externalcontact/resigned/transfer_customer"
RESULT = "externalcontact/transfer_result"


class Company:
    """``giver`` has something, ``receiver`` gets it; what the simulator says is the truth."""

    def __init__(self):
        self.simulated = simulated_corp()
        self.corp, self.connection = self.simulated.corp, self.simulated.connection
        self.enterprise, self.account = self.simulated.enterprise, self.connection.account
        self.giver, self.receiver, self.other = (
            self.colleague(name) for name in ("giver", "receiver", "other")
        )
        self.corp.outbox.take()

    def colleague(self, userid) -> Staff:
        self.corp.add_staff(userid, userid)
        return StaffFactory(
            enterprise=self.enterprise,
            name=userid,
            external_id=userid,
            platform_status=StaffPlatformStatus.ACTIVE,
            can_use_customer_group=True,
        )

    def chat(self, owner=None):
        owner = owner or self.giver
        chat = GroupChatFactory(
            unassigned=True,
            enterprise=self.enterprise,
            channel_account=self.account,
            external_id=self.corp.create_group(owner.external_id),
            owner=owner,
            owner_userid=owner.external_id,
        )
        self.corp.outbox.take()
        return chat

    def customer(self, owner=None) -> str:
        found = self.corp.add_customer(staff=(owner or self.giver).external_id)
        self.corp.outbox.take()
        return found

    def transfer(self, chats=(), customers=(), *, route=Route.ON_JOB, receiver=None, **fields):
        """Approved and queued, as the verbs leave it."""
        now = database_now()
        transfer = OwnershipTransfer.objects.create(
            enterprise=self.enterprise,
            **{
                "status": TransferStatus.SUBMITTED,
                "approved_at": now,
                "submitted_at": now,
                **fields,
            },
        )
        known = {
            "enterprise": self.enterprise,
            "transfer": transfer,
            "channel_account": self.account,
            "receiver": receiver or self.receiver,
            "selection": Selection.LEAST_LOADED if "case" in fields else Selection.CHOSEN,
            "route": route,
            "state": ItemState.QUEUED,
            "due_at": now,
        }
        things = [{"subject": Subject.CHAT, "chat": chat, "giver": chat.owner} for chat in chats]
        things += [
            {"subject": Subject.CUSTOMER, "external_userid": each, "giver": self.giver}
            for each in customers
        ]
        TransferItem.objects.bulk_create(TransferItem(**known, **thing) for thing in things)
        return transfer

    # --- what workers and time do ---

    def run(self):
        run_due_transfers()

    def read(self):
        ReadRequest.objects.update(due_at=Now(), ripe_at=Now())
        read_waiting()

    def look(self, *, rounds=3):
        """Read what is asked for and look at everything that is under way, some times."""
        under_way = TransferItem.objects.filter(state__in=[ItemState.QUEUED, *UNDER_WAY])
        for _ in range(rounds):
            if not under_way.exists():
                break
            self.corp.clock.advance(2)  # the platform tells its time in whole seconds
            self.read()
            self.hurry()
            self.run()

    def hurry(self):
        TransferItem.objects.exclude(due_at=None).exclude(state=ItemState.SENDING).update(
            due_at=Now()
        )

    def wait(self, seconds):
        """Time goes by on the platform, and nobody forgets to log in there."""
        self.corp.clock.advance(seconds)
        for staff in self.corp.everybody:
            staff.last_login_at = self.corp.clock.second()
        learn_clock(self.connection)

    # --- the truth ---

    def count_calls(self, api):
        """A function that tells how often the interface was called since then."""
        many = 10_000
        counter = self.corp.faults.slow(api, 0, times=many)
        return lambda: many - counter.times

    def sends_something(self) -> bool:
        """Whether the next run would call the platform to hand something over."""
        calls = [self.count_calls(api) for api in (ON_JOB, RESIGNED, CUSTOMERS, CUSTOMERS_RESIGNED)]
        self.run()
        return any(count() for count in calls)

    def owner_of(self, chat) -> str:
        return self.corp.groups[chat.external_id].owner

    def times_handed_over(self, chat) -> int:
        return len(self.corp.groups[chat.external_id].handed_over_at)

    def hand_overs_of(self, customer) -> list:
        return [each for each in self.corp.transfers if each.external_userid == customer]


def items_of(transfer):
    return list(transfer.items.order_by("pk"))


def told(transfer):
    """State and reason of its items, in their order."""
    return [(item.state, item.reason) for item in items_of(transfer)]
