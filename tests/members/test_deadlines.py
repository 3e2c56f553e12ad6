from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from members.models import EntryApplication
from members.rules.reviewing import urgency
from members.rules.standing import EvidenceStatus
from members.rules.status import ApplicationStatus
from members.services.deadlines import expire_application, expire_applications, watch_reviews
from members.services.reviewing import approve_application
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskStatus
from scrm.accounts.services.operator_tasks import dismiss_task
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.entry_factories import (
    PhotoFactory,
    apply,
    breed_club,
    newcomer,
    time_to_undo_passes,
)
from tests.members.factories import EntryApplicationFactory

pytestmark = pytest.mark.django_db


def days_until(instant):
    return round((instant - timezone.now()) / timedelta(days=1))


def test_an_application_without_its_photo_runs_out_after_14_days():
    club, golden = breed_club()
    application = apply(newcomer(club), club)
    photo = PhotoFactory(application=application, value=golden)  # of two that are asked for
    assert days_until(application.expires_at) == 14
    assert expire_applications() == 0
    EntryApplication.objects.update(expires_at=Now())

    assert expire_applications() == 1

    application.refresh_from_db()
    photo.refresh_from_db()
    assert (application.status, application.reason) == ("expired", "没有按时补充凭证。")
    assert photo.status == EvidenceStatus.REJECTED
    assert expire_applications() == 0


def test_an_approved_application_without_a_place_runs_out_after_30_days():
    community = CommunityFactory()
    application = apply(newcomer(community), community)
    assert days_until(application.expires_at) == 30
    EntryApplication.objects.update(expires_at=Now())

    assert expire_applications() == 1

    application.refresh_from_db()
    assert application.status == ApplicationStatus.EXPIRED
    assert apply(application.member, community).status == ApplicationStatus.APPROVED


def test_a_joined_one_and_one_in_review_never_run_out():
    application = EntryApplicationFactory(expires_at=timezone.now() - timedelta(days=1))

    assert expire_applications() == 0
    assert expire_application(application.pk) is False


def test_late_reviews_are_one_task_for_the_owner_until_none_is_late():
    now = timezone.now()
    community = CommunityFactory(name="VIP")
    late = [
        EntryApplicationFactory(community=community, review_due_at=now - timedelta(hours=hours))
        for hours in (1, 5)
    ]
    EntryApplicationFactory(community=community, review_due_at=now + timedelta(hours=1))

    watch_reviews()
    watch_reviews()

    task = OperatorTask.objects.get()
    assert task.title == "“VIP”有 2 份入群申请超过了审核时限"
    assert (task.assignee, task.due_at) == (community.owner, late[1].review_due_at)

    for application in late:
        actor = UserFactory(enterprise=community.enterprise)
        approve_application(application.pk, actor=actor)
    time_to_undo_passes()
    watch_reviews()
    task.refresh_from_db()
    assert task.status == TaskStatus.DONE


def test_a_reminder_that_was_dismissed_stays_away_for_a_day():
    application = EntryApplicationFactory(review_due_at=timezone.now() - timedelta(hours=1))
    watch_reviews()
    task = OperatorTask.objects.get()
    dismiss_task(task.pk, reason="明天看", actor=UserFactory(enterprise=application.enterprise))

    watch_reviews()
    assert OperatorTask.objects.count() == 1

    OperatorTask.objects.update(closed_at=timezone.now() - timedelta(hours=25))
    watch_reviews()
    assert OperatorTask.objects.open().count() == 1


@pytest.mark.parametrize(
    ("hours", "colour"), [(-1, "danger"), (1, "warning"), (3, "success"), (None, "success")]
)
def test_the_colour_tells_how_near_the_due_time_is(hours, colour):
    now = timezone.now()
    due = None if hours is None else now + timedelta(hours=hours)

    assert urgency(due, now=now) == colour
