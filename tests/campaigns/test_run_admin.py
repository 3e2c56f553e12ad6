"""The page of a run: who has still to confirm, what failed and why, and what can be done."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Dispatch, Run
from campaigns.rules.status import DispatchStatus, RunStatus
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import colleague_of, drain, due_broadcast, started
from tests.campaigns.wecom_world import QUICK, wecom_world

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def page(name, *arguments):
    return reverse(f"admin:campaigns_{name}", args=arguments)


def text_of(answer):
    return answer.content.decode()


@pytest.fixture
def world(settings):
    settings.CHANNELS = QUICK
    return wecom_world()


def test_each_owner_is_a_row_with_what_can_be_done(world):
    world.owner("lin", chats=3)
    world.owner("wang")
    run = world.sent()
    world.tap("lin")
    world.later(minutes=3)
    operator = UserFactory(enterprise=world.account.enterprise, role=Role.OPERATOR)
    client, url = client_of(operator), page("run_change", run.pk)

    panels = client.get(url).context_data["panels"]
    shown = text_of(client.get(f"{url}?fragment=progress&was=sending"))

    rows = {row.name: row for row in panels.senders}
    assert (panels.confirmations.confirmed, panels.confirmations.waiting) == (1, 1)
    assert (rows["群主lin"].delivered, rows["群主wang"].awaiting) == (3, 2)
    assert [words for words, _url in rows["群主wang"].links] == ["提醒", "停止"]
    assert panels.senders[0].name == "群主wang"
    assert "1 位还没确认" in shown
    assert "<html" not in shown


def test_an_owner_is_reminded_and_stopped_by_the_buttons(world):
    world.owner("lin")
    run = world.sent()
    client = client_of(UserFactory(enterprise=world.account.enterprise, role=Role.OPERATOR))
    dispatch = Dispatch.objects.get(run=run)

    client.post(page("dispatch_remind", dispatch.pk), DIALOG)
    dispatch.refresh_from_db()
    asked = dispatch.remind_asked_at
    client.post(page("dispatch_stop", dispatch.pk), DIALOG)

    dispatch.refresh_from_db()
    assert asked is not None
    assert dispatch.status == DispatchStatus.STOPPING
    reader = client_of(UserFactory(enterprise=world.account.enterprise, role=Role.READ_ONLY))
    assert reader.post(page("dispatch_stop", dispatch.pk), DIALOG).status_code == 403


def test_only_the_failed_of_the_chosen_cause_are_sent_again():
    operator = UserFactory(role=Role.OPERATOR)
    run = started(due_broadcast(author=operator, members=6, channel_account__failure_percent=100))
    drain()
    client, url = client_of(operator), page("run_change", run.pk)

    reasons = text_of(client.get(f"{url}?fragment=reasons"))
    dialog = text_of(client.get(page("run_retry", run.pk) + "?reason=sandbox_failure"))
    answer = client.post(
        page("run_retry", run.pk), {**DIALOG, "reasons": ["sandbox_failure"]}, follow=True
    )
    unknown = client.post(page("run_retry", run.pk), {**DIALOG, "reasons": ["nonsense"]})

    assert "沙盒模拟的失败" in reasons
    assert "只重发这些" in reasons
    assert "checked" in dialog
    assert "重新排队 6 位" in text_of(answer)
    assert unknown.status_code == 200  # the dialog again, with what is wrong
    run.refresh_from_db()
    assert run.status == RunStatus.SENDING


def test_an_occurrence_that_was_missed_is_decided_on_its_page():
    operator = UserFactory(role=Role.OPERATOR)
    broadcast = due_broadcast(author=operator, status="paused", scheduled_at=None)
    run = Run.objects.create(
        broadcast=broadcast, planned_for=timezone.now(), status=RunStatus.ASKED
    )
    client = client_of(operator)

    shown = text_of(client.get(page("run_change", run.pk)))
    client.post(page("run_skip_missed", run.pk), DIALOG)

    assert page("run_run_missed", run.pk) in shown
    run.refresh_from_db()
    assert run.status == RunStatus.SKIPPED
    assert page("run_run_missed", run.pk) not in text_of(client.get(page("run_change", run.pk)))


def test_the_page_costs_the_same_whatever_the_number_of_recipients():
    operator = UserFactory(role=Role.OPERATOR)

    def cost(members):
        run = started(due_broadcast(author=operator, members=members))
        drain()
        client, url = client_of(operator), page("run_change", run.pk)
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        return len(queries)

    assert cost(2) == cost(12)


def test_the_progress_asks_for_a_new_page_when_the_state_moved():
    operator = UserFactory(role=Role.OPERATOR)
    run = started(due_broadcast(author=operator))
    client, url = client_of(colleague_of(operator)), page("run_change", run.pk)
    assert 'hx-trigger="every 2s"' in text_of(client.get(url))
    drain()

    moved = client.get(f"{url}?fragment=progress&was=freezing")

    assert moved.headers["HX-Refresh"] == "true"
    assert "every 2s" not in text_of(client.get(url))
