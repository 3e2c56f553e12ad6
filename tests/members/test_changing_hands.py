from datetime import timedelta

import pytest

from communities.models import OwnershipTransfer, TransferItem
from communities.rules.transfers import ItemState, Route, Subject
from communities.signals import customers_settled
from members.models import Follow
from members.rules.status import FollowEnd
from scrm.shared.clock import database_now
from scrm.wecom.models import ReadRequest
from tests.accounts.factories import StaffFactory
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.factories import WecomConnectionFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "route", "end"),
    [
        (ItemState.VERIFIED, Route.RESIGNED, FollowEnd.TRANSFERRED),
        (ItemState.REFUSED, Route.RESIGNED, FollowEnd.BY_CUSTOMER),
        (ItemState.FAILED, Route.RESIGNED, None),
        (ItemState.VERIFIED, Route.ON_JOB, None),
    ],
)
def test_whom_a_leaver_has_lost_is_no_contact_of_theirs_any_more(state, route, end):
    connection = WecomConnectionFactory()
    home, account, now = connection.enterprise, connection.account, database_now()
    leaver, taker = StaffFactory.create_batch(2, enterprise=home)
    member = MemberFactory(enterprise=home)
    known = {"member": member, "channel_account": account, "external_userid": "wm1"}
    began = now - timedelta(days=9)
    theirs = FollowFactory(staff=leaver, began_at=began, **known)
    others = FollowFactory(staff=taker, began_at=began, **known)
    transfer = OwnershipTransfer.objects.create(enterprise=home)
    item = TransferItem.objects.create(
        enterprise=home,
        transfer=transfer,
        subject=Subject.CUSTOMER,
        channel_account=account,
        external_userid="wm1",
        giver=leaver,
        receiver=taker,
        state=state,
        route=route,
        takeover_at=now - timedelta(days=1),
    )

    for _ in range(2):
        customers_settled.send(sender=TransferItem, item_ids=[item.pk])

    theirs.refresh_from_db()
    others.refresh_from_db()
    assert theirs.end_reason == (end or "")
    if end == FollowEnd.TRANSFERRED:
        assert theirs.ended_at == item.takeover_at
    assert (theirs.ended_at is None) == (end is None)
    assert (others.ended_at, Follow.objects.count()) == (None, 2)
    assert ReadRequest.objects.get().external_id == "wm1"
