"""What the self-check says of owners."""

from datetime import timedelta

import pytest
from django.utils import timezone

from communities.doctor import every_chat_has_had_an_owner, no_chat_stays_with_who_left
from communities.models import OwnershipPeriod
from communities.selectors import chats_with_gaps
from communities.services.following import dissolve_followed_chat
from communities.services.ownership.owning import name_owner
from tests.accounts.factories import StaffFactory
from tests.communities.factories import GroupChatFactory
from tests.communities.transfer_factories import (
    OwnershipViolationFactory,
    ResignationCaseFactory,
)

pytestmark = pytest.mark.django_db


def owned_chat(**fields):
    chat = GroupChatFactory()
    for _ in range(2):
        chat.owner = StaffFactory(enterprise=chat.enterprise, **fields)
        chat.save(update_fields=["owner"])
        name_owner(chat)
    return chat


def test_chats_with_one_owner_after_the_other_are_well():
    owned_chat()
    gone = owned_chat()
    dissolve_followed_chat(gone, at=timezone.now(), exact=True)

    assert every_chat_has_had_an_owner().status == "ok"
    assert chats_with_gaps() == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_gap_is_found(place):
    chat = owned_chat()
    owned_chat()
    row = OwnershipPeriod.objects.filter(chat=chat).order_by("began_at")[place]
    row.began_at += timedelta(microseconds=1)
    row.save()

    assert chats_with_gaps() == [chat.pk]
    assert every_chat_has_had_an_owner().status == "failed"


def test_a_period_that_ends_before_its_chat_is_a_gap():
    chat = owned_chat()
    dissolve_followed_chat(chat, at=timezone.now(), exact=True)
    chat.dissolved_at += timedelta(seconds=1)
    chat.save()

    assert chats_with_gaps() == [chat.pk]


def test_an_open_violation_is_pointed_out():
    OwnershipViolationFactory(chat=owned_chat())

    assert every_chat_has_had_an_owner().status == "warning"


def test_chats_of_who_left_are_pointed_out_until_a_case_takes_care_of_them():
    owned_chat()
    assert no_chat_stays_with_who_left().status == "ok"
    chat = owned_chat(is_active=False)
    found = no_chat_stays_with_who_left()
    assert (found.status, found.detail[0]) == ("warning", "1")

    case = ResignationCaseFactory(staff=chat.owner)
    assert no_chat_stays_with_who_left().status == "ok"
    case.status = "closed"
    case.save()
    assert no_chat_stays_with_who_left().status == "warning"
