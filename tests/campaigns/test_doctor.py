from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.doctor import LATE_AFTER, broadcasts_start_on_time, welcomes_go_out
from campaigns.models import Broadcast
from scrm.shared.diagnosis import Status, diagnose
from tests.campaigns.broadcasts import due_broadcast

pytestmark = pytest.mark.django_db


def test_doctor_asks_about_sending():
    assert {"broadcasts", "welcomes"} <= {each.name for each in diagnose()}


def test_a_broadcast_that_is_just_due_is_no_trouble():
    due_broadcast(members=1)

    assert broadcasts_start_on_time().status == Status.OK


def test_a_broadcast_that_nobody_began_is_named():
    broadcast = due_broadcast(members=1)
    Broadcast.objects.update(scheduled_at=timezone.now() - LATE_AFTER - timedelta(minutes=1))

    finding = broadcasts_start_on_time()

    assert finding.status == Status.FAILED
    assert f"#{broadcast.pk}" in finding.detail
    assert finding.fix


def test_no_welcome_waits():
    assert welcomes_go_out().status == Status.OK
