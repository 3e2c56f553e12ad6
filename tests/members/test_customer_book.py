from datetime import timedelta

import pytest
from django.utils import timezone

from communities.handlers import CustomerOfStaff, customer_book
from members.services.platform.people import Person, members_for
from tests.accounts.factories import EnterpriseFactory, StaffFactory
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.factories import ChannelAccountFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return EnterpriseFactory()


def test_the_customers_of_a_colleague_are_open_and_mutual_contacts_in_one_order(shop):
    staff, other = StaffFactory.create_batch(2, enterprise=shop)
    account = ChannelAccountFactory(enterprise=shop)
    members = MemberFactory.create_batch(3, enterprise=shop)
    kept = [
        FollowFactory(member=member, staff=staff, channel_account=account, external_userid=f"wm{n}")
        for n, member in enumerate(members)
    ]
    FollowFactory(member=members[0], staff=other, channel_account=account)
    FollowFactory(member=MemberFactory(enterprise=shop), staff=staff, is_mutual=False)
    FollowFactory(
        member=MemberFactory(enterprise=shop),
        staff=staff,
        ended_at=timezone.now() + timedelta(days=1),
    )

    pages = list(customer_book().of_staff(staff.pk))

    assert pages == [[CustomerOfStaff(account.pk, follow.external_userid) for follow in kept]]
    assert customer_book().loads(shop.pk) == {staff.pk: 3, other.pk: 1}
    assert customer_book().loads(EnterpriseFactory().pk) == {}


def test_customers_are_named_as_far_as_they_are_known_and_only_to_their_own_enterprise():
    ours, theirs = simulated_corp(), simulated_corp()
    members_for(ours.connection, {"wm1": Person("小林"), "wm2": Person("")})
    members_for(theirs.connection, {"wm3": Person("别家的人")})

    names = customer_book().names(ours.enterprise.pk, ["wm1", "wm2", "wm3", "wm4"])

    assert names == {"wm1": "小林"}
