from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from communities.models import GroupChat, OwnershipPeriod
from members.models import Member, MemberIdentity, Membership, Stay
from members.rules.status import ObservedBy
from members.services.platform.chat_events import take_chat_events
from members.services.platform.readings import record_chat_readings
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.platform_worlds import Company


@pytest.mark.django_db(transaction=True)
def test_events_and_readings_taken_by_several_at_once_are_one_history():
    company = Company()
    corp = company.corp
    corp.add_staff("lin.qiao", "林乔")
    chats = [corp.create_group("lin.qiao", f"群{n}") for n in range(2)]
    company.wait(20)
    people = corp.join(chats[0], count=8)
    corp.join(chats[1], people)
    company.wait(20)
    corp.leave(chats[0], people[:2])
    corp.add_staff("zhao.min", "赵敏")
    changed_at = company.now.replace(microsecond=0)
    corp.change_owner(chats[1], "zhao.min")
    events = company.events()
    company.wait(20)
    community = CommunityFactory(enterprise=company.enterprise)
    for chat_id in chats:
        GroupChatFactory(
            enterprise=company.enterprise,
            channel_account=company.connection.account,
            external_id=chat_id,
            community=community,
            name="",
        )
    readings = [company.reading(chat_id) for chat_id in chats]

    def work(number):
        try:
            with transaction.atomic():
                if number % 2:
                    take_chat_events(company.connection, events[:: 1 if number % 4 == 1 else -1])
                else:
                    record_chat_readings(
                        company.connection,
                        readings[:: 1 if number % 4 else -1],
                        read_at=company.now,
                        observed_by=ObservedBy.SYNC,
                    )
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(12)))

    owners = OwnershipPeriod.objects.order_by("chat__external_id", "began_at")
    told = dict.fromkeys(chats, ())
    for chat_id, userid, began_at, ended_at in owners.values_list(
        "chat__external_id", "userid", "began_at", "ended_at"
    ):
        told[chat_id] += ((userid, began_at, ended_at),)
    founded_at = [corp.truth(chat_id).created_at for chat_id in chats]
    assert told == {
        chats[0]: (("lin.qiao", founded_at[0], None),),
        chats[1]: (("", founded_at[1], changed_at), ("zhao.min", changed_at, None)),
    }
    assert Member.objects.count() == 8
    assert MemberIdentity.objects.filter(kind="external_userid").count() == 8
    assert (Stay.objects.count(), Stay.objects.open().count()) == (16, 14)
    assert Membership.objects.active().count() == Membership.objects.count() == 8
    assert set(GroupChat.objects.values_list("external_id", "member_count")) == {
        (chats[0], 6),
        (chats[1], 8),
    }
