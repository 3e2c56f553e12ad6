from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from scrm.accounts.errors import (
    BelongsElsewhere,
    StaffIsInactive,
    TaskIsClosed,
    TaskReasonMissing,
)
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.rules.roles import DataScope, Role
from scrm.accounts.services.operator_tasks import (
    assign_task,
    complete_task,
    dismiss_task,
    open_task,
    settle_task,
)
from tests.accounts.factories import OperatorTaskFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

TASKS = "/api/v1/operator-tasks/"
WORKLIST = "admin:accounts_operatortask_changelist"


@pytest.fixture
def user():
    user = UserFactory(role=Role.OPERATOR)
    user.staff = StaffFactory(enterprise=user.enterprise)
    user.save(update_fields=["staff"])
    return user


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def task_of(user, **values):
    return OperatorTaskFactory(enterprise=user.enterprise, **values)


def ids(response):
    return [row["id"] for row in response.json()["results"]]


# --- asking, and ending ---


def test_the_same_cause_keeps_its_task_and_tells_the_latest(user):
    first = open_task(TaskKind.MERGE, subject=user.staff, title="一", assignee=user.staff)
    again = open_task(TaskKind.MERGE, subject=user.staff, title="二", details={"size": 3})

    assert again == first
    first.refresh_from_db()
    assert (first.title, first.details, first.assignee) == ("二", {"size": 3}, user.staff)


def test_a_cause_that_is_gone_ends_its_task(user):
    task = open_task(TaskKind.MERGE, subject=user.staff, title="一")
    other = open_task(TaskKind.CAPACITY, subject=user.staff, title="别的")

    assert settle_task(TaskKind.MERGE, subject=user.staff) == 1

    task.refresh_from_db()
    other.refresh_from_db()
    assert (task.status, task.closed_by, other.status) == ("done", None, "open")


def test_assigning_says_who_had_it_before(user):
    colleague = StaffFactory(enterprise=user.enterprise)
    task = task_of(user, assignee=user.staff)

    assert assign_task(task.pk, assignee=colleague, actor=user).assignee == colleague
    assert assign_task(task.pk, assignee=None, actor=user).assignee is None

    event = AuditEvent.objects.order_by("pk").first()
    assert event.verb == "assign_task"
    assert event.before["assignee"]["id"] == user.staff.pk
    assert event.after["assignee"]["id"] == colleague.pk


def test_a_task_goes_only_to_a_colleague_who_is_there(user):
    task = task_of(user)

    with pytest.raises(BelongsElsewhere):
        assign_task(task.pk, assignee=StaffFactory(), actor=user)
    former = StaffFactory(enterprise=user.enterprise, is_active=False)
    with pytest.raises(StaffIsInactive):
        assign_task(task.pk, assignee=former, actor=user)


def test_a_task_ends_once_and_a_refusal_needs_a_reason(user):
    task = task_of(user)

    with pytest.raises(TaskReasonMissing):
        dismiss_task(task.pk, reason=" ", actor=user)
    done = complete_task(task.pk, note="合并了", actor=user)
    assert (done.status, done.note, done.closed_by) == ("done", "合并了", user)
    for verb in (
        lambda: complete_task(task.pk, actor=user),
        lambda: dismiss_task(task.pk, reason="晚了", actor=user),
        lambda: assign_task(task.pk, assignee=None, actor=user),
    ):
        with pytest.raises(TaskIsClosed):
            verb()


# --- the API ---


def test_tasks_are_listed_and_filtered(api, user):
    late = task_of(user, due_at=timezone.now() - timedelta(hours=1), assignee=user.staff)
    soon = task_of(user, kind=TaskKind.CAPACITY, due_at=timezone.now() + timedelta(hours=1))
    done = task_of(user, due_at=timezone.now() - timedelta(days=1))
    complete_task(done.pk, actor=user)
    OperatorTaskFactory()  # somebody else's

    assert ids(api.get(TASKS)) == [done.pk, soon.pk, late.pk]
    assert ids(api.get(TASKS, {"status": "open"})) == [soon.pk, late.pk]
    assert ids(api.get(TASKS, {"overdue": "true"})) == [late.pk]
    assert ids(api.get(TASKS, {"overdue": "false"})) == [done.pk, soon.pk]
    assert ids(api.get(TASKS, {"kind": "capacity"})) == [soon.pk]
    assert ids(api.get(TASKS, {"assignee": user.staff.pk})) == [late.pk]
    assert ids(api.get(TASKS, {"unassigned": "true", "status": "open"})) == [soon.pk]
    assert api.get(TASKS, {"status": "finished"}).status_code == 400


def test_a_task_is_worked_on_through_the_api(api, user):
    colleague = StaffFactory(enterprise=user.enterprise)
    first, second = task_of(user), task_of(user)

    assigned = api.post(f"{TASKS}{first.pk}/assign/", {"assignee": colleague.pk}, format="json")
    assert assigned.json()["assignee_name"] == colleague.name
    assert assigned.json()["available_actions"] == ["complete", "dismiss", "assign"]
    done = api.post(f"{TASKS}{first.pk}/complete/", {"note": "好了"}, format="json")
    assert (done.json()["status"], done.json()["available_actions"]) == ("done", [])
    again = api.post(f"{TASKS}{first.pk}/complete/", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "task_is_closed")
    dismissed = api.post(f"{TASKS}{second.pk}/dismiss/", {"reason": "节后再看"}, format="json")
    assert (dismissed.json()["status"], dismissed.json()["note"]) == ("dismissed", "节后再看")


def test_who_may_not_manage_communities_only_looks(user):
    task = task_of(user)
    client = APIClient()
    client.force_authenticate(UserFactory(enterprise=user.enterprise, role=Role.ANALYST))

    seen = client.get(f"{TASKS}{task.pk}/")
    assert (seen.status_code, seen.json()["available_actions"]) == (200, [])
    assert client.post(f"{TASKS}{task.pk}/complete/", {}, format="json").status_code == 403


def test_with_a_narrow_scope_one_sees_only_ones_own(api, user):
    user.data_scope = DataScope.OWN_COMMUNITIES
    user.save(update_fields=["data_scope"])
    mine = task_of(user, assignee=user.staff)
    nobodys = task_of(user)

    assert ids(api.get(TASKS)) == [mine.pk]
    assert api.get(f"{TASKS}{nobodys.pk}/").status_code == 404
    assert api.post(f"{TASKS}{nobodys.pk}/complete/", {}, format="json").status_code == 404


def test_the_list_takes_as_many_queries_for_many_tasks_as_for_one(api, user):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            api.get(TASKS)
        return len(captured)

    task_of(user, assignee=user.staff)
    for_one = queries()
    for _ in range(3):
        task_of(user, assignee=StaffFactory(enterprise=user.enterprise), closed_by=user)
    assert queries() == for_one


# --- the admin ---


@pytest.fixture
def operator_client(client, user):
    client.force_login(user)
    return client


def listed(response):
    return list(response.context["cl"].result_list)


def test_the_worklist_shows_open_tasks_the_most_urgent_first(operator_client, user):
    someday = task_of(user)
    soon = task_of(user, due_at=timezone.now() + timedelta(days=1))
    late = task_of(user, due_at=timezone.now() - timedelta(days=1))
    done = task_of(user)
    complete_task(done.pk, actor=user)

    assert listed(operator_client.get(reverse(WORKLIST))) == [late, soon, someday]
    assert listed(operator_client.get(reverse(WORKLIST), {"state": "all"}))[-1] == done
    assert listed(operator_client.get(reverse(WORKLIST), {"overdue": "yes"})) == [late]
    assert listed(operator_client.get(reverse(WORKLIST), {"mine": "yes"})) == []


def test_a_task_leads_to_what_it_is_about_and_tells_why(operator_client, user):
    task = task_of(
        user,
        object_type="accounts.staff",
        object_id=user.staff.pk,
        details={"reasons": ["只有 3 人"], "internal": "不给人看"},
    )

    page = operator_client.get(reverse("admin:accounts_operatortask_change", args=[task.pk]))

    content = page.content.decode()
    assert reverse("admin:accounts_staff_change", args=[user.staff.pk]) in content
    assert "只有 3 人" in content
    assert "不给人看" not in content


def test_a_task_about_something_without_a_page_still_shows(operator_client, user):
    task_of(user, object_type="gone.thing")

    assert "gone.thing" in operator_client.get(reverse(WORKLIST)).content.decode()


@pytest.mark.parametrize(
    ("button", "values", "status"),
    [
        ("complete", {"note": "好了"}, "done"),
        ("dismiss", {"reason": "不需要"}, "dismissed"),
    ],
)
def test_the_buttons_end_a_task(operator_client, user, button, values, status):
    task = task_of(user)
    url = reverse(f"admin:accounts_operatortask_{button}", args=[task.pk])

    operator_client.post(url, {"_form_submitted": "on", **values})

    assert OperatorTask.objects.get().status == status


def test_a_task_given_away_by_somebody_with_a_narrow_scope_leaves_his_list(operator_client, user):
    user.data_scope = DataScope.OWN_COMMUNITIES
    user.save(update_fields=["data_scope"])
    colleague = StaffFactory(enterprise=user.enterprise)
    task = task_of(user, assignee=user.staff)
    url = reverse("admin:accounts_operatortask_assign", args=[task.pk])

    answer = operator_client.post(url, {"_form_submitted": "on", "assignee": colleague.pk})

    assert answer.url == reverse(WORKLIST)
    assert OperatorTask.objects.get().assignee == colleague
