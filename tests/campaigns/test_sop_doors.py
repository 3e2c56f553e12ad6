"""Plans for group chats through the API and the pages of operators."""

from __future__ import annotations

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.models import SopEnrolment, SopPlan, SopTask
from campaigns.rules.sop import SopStatus, SopTaskStatus, StepKind
from campaigns.services.sop_running import advance_sop
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.sop import CHECKS, active_plan, chats_for, draft_plan, due_now, enrolled
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db
CONFIRMED = {"_form_submitted": "on"}
STEP = {
    "day_offset": 2,
    "local_time": "09:30",
    "kind": "message",
    "title": "问候",
    "body": "早上好",
}


def api_of(user):
    api = APIClient()
    api.force_authenticate(user)
    return api


def press(client, name, row, **values):
    url = reverse(f"admin:campaigns_{name}", args=[row.pk])
    return client.post(url, CONFIRMED | values)


def test_a_program_writes_a_plan_has_it_approved_and_lets_chats_follow_it():
    author = UserFactory(role=Role.OPERATOR)
    account = ChannelAccountFactory(enterprise=author.enterprise)
    api = api_of(author)
    body = {"name": "新群", "channel_account": account.pk, "steps": [STEP]}
    plan = api.post("/api/v1/sop-plans/", body, format="json").json()
    path = f"/api/v1/sop-plans/{plan['id']}/"
    assert plan["steps"][0]["title"] == "问候"
    bad = {"steps": [STEP | {"body": "{{昵称}}"}]}
    refusal = api.patch(path, bad, format="json")
    assert refusal.status_code == 400
    assert "第 1 步“问候”" in refusal.content.decode()
    assert api.post(f"{path}submit/").json()["status"] == "in_review"
    assert api.post(f"{path}approve/").status_code == 403
    reviewer = api_of(UserFactory(enterprise=author.enterprise, role=Role.REVIEWER))
    assert reviewer.post(f"{path}approve/").json()["status"] == "active"
    [chat] = chats_for(SopPlan.objects.get(), 1)
    assert api.post(f"{path}enrol/", {"chats": [chat.pk]}, format="json").status_code == 200
    [enrolment] = api.get("/api/v1/sop-enrolments/").json()["results"]
    assert (enrolment["chat"], enrolment["chat_name"]) == (chat.pk, chat.name)
    [task] = api.get("/api/v1/sop-tasks/").json()["results"]
    assert (task["kind"], task["status"]) == ("message", "planned")
    paused = api.post(f"/api/v1/sop-enrolments/{enrolment['id']}/pause/")
    assert paused.json()["status"] == "paused"


def test_a_program_ticks_a_checklist():
    plan = active_plan(steps=[CHECKS])
    enrolled(plan, chats_for(plan, 1))
    due_now()
    advance_sop()
    task = SopTask.objects.get()
    api = api_of(plan.author)
    half = api.post(f"/api/v1/sop-tasks/{task.pk}/tick/", {"items": [0]}, format="json").json()
    assert (half["status"], half["done_items"]) == ("open", [0])
    done = api.post(f"/api/v1/sop-tasks/{task.pk}/tick/", {"items": [0, 1]}, format="json").json()
    assert done["status"] == "done"


def steps_form(*steps):
    prefix = "steps-"
    form = {
        f"{prefix}TOTAL_FORMS": str(len(steps)),
        f"{prefix}INITIAL_FORMS": "0",
        f"{prefix}MIN_NUM_FORMS": "0",
        f"{prefix}MAX_NUM_FORMS": "1000",
    }
    for number, step in enumerate(steps):
        form |= {f"{prefix}{number}-{name}": value for name, value in step.items()}
    return form


def test_an_operator_writes_a_plan_with_a_checklist_one_line_an_item(client):
    author = UserFactory(role=Role.OPERATOR)
    account = ChannelAccountFactory(enterprise=author.enterprise)
    client.force_login(author)
    step = {
        "day_offset": "1",
        "local_time": "10:00",
        "kind": StepKind.CHECKLIST,
        "title": "第一天",
        "category": "service",
        "items": "点名\n\n发群规",
    }
    form = {"name": "新群", "channel_account": account.pk, **steps_form(step)}
    answer = client.post(reverse("admin:campaigns_sopplan_add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    plan = SopPlan.objects.get()
    assert plan.steps.get().items == ["点名", "发群规"]
    page = client.get(reverse("admin:campaigns_sopplan_change", args=[plan.pk])).content.decode()
    assert "点名\n发群规" in page
    assert "[&#x27;" not in page
    plan.status = SopStatus.ACTIVE
    plan.save()
    page = client.get(reverse("admin:campaigns_sopplan_change", args=[plan.pk])).content.decode()
    assert "点名<br>发群规" in page


def test_buttons_bring_a_plan_to_its_chats(client):
    plan = draft_plan()
    chats = chats_for(plan, 2)
    client.force_login(plan.author)
    press(client, "sopplan_submit", plan)
    client.force_login(UserFactory(enterprise=plan.enterprise, role=Role.REVIEWER))
    press(client, "sopplan_approve", plan)
    plan.refresh_from_db()
    assert plan.status == SopStatus.ACTIVE
    client.force_login(plan.author)
    press(client, "sopplan_enrol", plan, communities=[chats[0].community_id])
    assert SopEnrolment.objects.count() == 2
    due_now(step__kind=StepKind.CHECKLIST)
    advance_sop()
    task = SopTask.objects.filter(status=SopTaskStatus.OPEN).first()
    press(client, "soptask_tick", task, items=["0", "1"])
    task.refresh_from_db()
    assert task.status == SopTaskStatus.DONE
    page = client.get(reverse("admin:campaigns_soptask_change", args=[task.pk])).content.decode()
    assert "☑ 点名" in page
    press(client, "sopplan_retire", plan)
    assert set(SopEnrolment.objects.values_list("status", flat=True)) == {"cancelled"}
