"""What is known of stays, as programs and operators see it."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from members.rules.status import Confidence, JoinScene, LeaveReason
from tests.accounts.factories import StaffFactory, UserFactory
from tests.members.factories import StayFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return UserFactory(is_superuser=True)


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def lost(user):
    """Somebody whose leaving was never told: seen for the last time in January."""
    return StayFactory(
        membership__community__enterprise=user.enterprise,
        membership__member__nickname="小舟",
        join_scene=JoinScene.QR_CODE,
        join_state="store_07",
        inviter=StaffFactory(enterprise=user.enterprise, name="林小满"),
        joined_at=datetime(2026, 1, 1, tzinfo=UTC),
        seen_at=datetime(2026, 1, 5, tzinfo=UTC),
        left_at=datetime(2026, 1, 9, tzinfo=UTC),
        leave_reason=LeaveReason.UNKNOWN,
        leave_confidence=Confidence.INFERRED,
    )


def test_a_stay_tells_how_sure_its_ends_are_and_how_it_began(client, lost):
    (told,) = client.get(reverse("stay-list"), {"join_scene": "qr_code"}).json()["results"]

    assert (told["join_confidence"], told["leave_confidence"]) == ("exact", "inferred")
    assert (told["join_scene"], told["join_state"]) == ("qr_code", "store_07")
    assert told["inviter"] == lost.inviter_id
    assert told["seen_at"] == "2026-01-05T08:00:00+08:00"
    assert client.get(reverse("stay-list"), {"join_scene": "link"}).json()["results"] == []


def test_the_admin_marks_what_is_inferred(client, lost):
    listed = client.get(reverse("admin:members_stay_changelist")).content.decode()
    member = client.get(reverse("admin:members_member_change", args=[lost.member_id]))

    assert "退群时间为推断" in listed
    assert "林小满" in listed
    assert "退群时间为推断" in member.content.decode()
