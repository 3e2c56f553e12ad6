"""Callbacks in every order, and each of them twice, come to the same."""

from __future__ import annotations

import pytest
from django.db import transaction

from communities.models import GroupChat
from members.models import Membership, Stay
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.platform_worlds import Company

pytestmark = pytest.mark.django_db


def two_people(company, chat_id):
    """One came back in the second of leaving, the other was removed, and the chat ended."""
    corp = company.corp
    one, other = corp.add_person("小舟"), corp.add_person("阿福")
    company.wait(20)
    corp.join(chat_id, [one, other])
    company.wait(20)
    corp.leave(chat_id, [one])
    corp.join(chat_id, [one], scene=1)
    company.wait(20)
    corp.remove(chat_id, [other])
    company.wait(20)
    corp.dissolve(chat_id)


def one_person(company, chat_id):
    """Came and went twice."""
    corp, person = company.corp, company.corp.add_person("小舟")
    for doing in (corp.join, corp.leave, corp.join, corp.remove):
        company.wait(20)
        doing(chat_id, [person])


def outcome(company):
    """Everything that is told of the company, but the numbers of the rows."""
    stays = Stay.objects.filter(enterprise=company.enterprise)
    memberships = Membership.objects.filter(enterprise=company.enterprise)
    return (
        sorted(
            map(
                str,
                stays.values_list(
                    "chat__external_id",
                    "member__external_id",
                    "joined_at",
                    "join_confidence",
                    "join_scene",
                    "left_at",
                    "leave_reason",
                    "leave_confidence",
                ),
            )
        ),
        sorted(map(str, memberships.values_list("member__external_id", "joined_at", "left_at"))),
        list(GroupChat.objects.values_list("state", "dissolved_at", "member_count")),
    )


def outcomes(company, events, taken=()):
    """What comes of each order of the events; the orders that begin alike share their beginning."""
    if not events:
        yield outcome(company)
        company.take(list(taken))
        yield outcome(company)
        return
    for number, event in enumerate(events):
        before = transaction.savepoint_create()
        company.take([event])
        yield from outcomes(company, events[:number] + events[number + 1 :], (*taken, event))
        transaction.savepoint_rollback(before)


@pytest.mark.parametrize(("story", "orders"), [(two_people, 120), (one_person, 24)])
def test_every_order_and_every_repetition_come_to_the_same(story, orders):
    company = Company()
    company.corp.add_staff("lin.qiao", "林乔")
    chat_id = company.corp.create_group("lin.qiao", "会员群")
    GroupChatFactory(
        enterprise=company.enterprise,
        channel_account=company.connection.account,
        external_id=chat_id,
        community=CommunityFactory(enterprise=company.enterprise),
        name="",
    )
    company.events()
    story(company, chat_id)
    events = company.events()

    found = list(outcomes(company, events))

    assert len(found) == 2 * orders
    assert all(each == found[0] for each in found)
    truth = company.corp.truth(chat_id)
    told = found[0][0]
    assert len(told) == sum(each.type == 2 for each in truth.periods)
    assert not any("inferred" in stay for stay in told)
