from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.models import Broadcast, Delivery
from campaigns.rules.status import BroadcastStatus
from campaigns.services.controlling import pause_broadcast
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    WelcomePolicyFactory,
    colleague_of,
    drain,
    due_broadcast,
    started,
)
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR)


@pytest.fixture
def api(operator):
    client = APIClient()
    client.force_authenticate(operator)
    return client


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def community(operator):
    community = CommunityFactory(enterprise=operator.enterprise, name="猫友会")
    MembershipFactory(community=community, member__nickname="阿福")
    return community


def body_for(community, **changes):
    account = ChannelAccountFactory(enterprise=community.enterprise)
    return {
        "name": "周末活动",
        "body": "你好，{{昵称}}",
        "communities": [community.pk],
        "channel_account": account.pk,
        **changes,
    }


def test_from_draft_to_delivered(api, community):
    pk = api.post("/api/v1/broadcasts/", body_for(community)).json()["id"]
    estimate = api.get(f"/api/v1/broadcasts/{pk}/estimate/").json()
    assert estimate == {
        "recipient_count": 1,
        "will_send_count": 1,
        "eligible_count": estimate["eligible_count"],
        "share": estimate["share"],
        "is_full_blast": estimate["is_full_blast"],
        "communities": [{"community_id": community.pk, "name": "猫友会", "recipient_count": 1}],
        "excluded": [],
        "samples": [{"recipient": "阿福", "body": "你好，阿福"}],
    }
    assert api.post(f"/api/v1/broadcasts/{pk}/submit/").json()["status"] == "in_review"
    reviewer = client_of(colleague_of(Broadcast.objects.get().author, role=Role.REVIEWER))
    approved = reviewer.post(f"/api/v1/broadcasts/{pk}/approve/").json()
    assert approved["status"] == "approved"
    scheduled = api.post(f"/api/v1/broadcasts/{pk}/schedule/").json()
    assert scheduled["available_actions"] == ["unschedule", "pause", "halt", "cancel"]

    run = started(Broadcast.objects.get())
    drain()

    finished = api.get(f"/api/v1/broadcasts/{pk}/").json()
    assert (finished["status"], finished["latest_run"]) == ("completed", run.pk)
    progress = api.get(f"/api/v1/runs/{run.pk}/progress/").json()
    assert (progress["total"], progress["delivered"], progress["percent"]) == (1, 1, 100)
    deliveries = api.get(f"/api/v1/runs/{run.pk}/deliveries/").json()["results"]
    assert [(d["recipient_name"], d["status"]) for d in deliveries] == [("阿福", "delivered")]
    outbox = api.get("/api/v1/sandbox-messages/").json()["results"]
    assert [message["body"] for message in outbox] == ["你好，阿福"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"body": "{{电话}}"}, 400, "validation_error"),
        ({"body": ""}, 400, "validation_error"),
        ({"body": "a\u0000b"}, 400, "invalid_text"),
        ({"communities": []}, 400, "validation_error"),
        ({"communities": [2**40]}, 400, "validation_error"),
        ({"channel_account": "1"}, 400, "validation_error"),
        ({"criterion": {"metric": "nonsense"}}, 400, "validation_error"),
        ({"criterion": []}, 400, "validation_error"),
        ({"target": "everyone"}, 400, "validation_error"),
        ({"misfire_grace_minutes": 0}, 400, "validation_error"),
        ({"status": "approved"}, 400, "validation_error"),
        ({"enterprise": 1}, 400, "validation_error"),
    ],
)
def test_a_draft_that_cannot_be_is_refused(api, community, changes, status, code):
    answer = api.post("/api/v1/broadcasts/", body_for(community, **changes))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Broadcast.objects.exists()


def test_an_unknown_variable_is_answered_with_the_known_ones(api, community):
    answer = api.post("/api/v1/broadcasts/", body_for(community, body="{{电话}}")).json()

    assert [(e["attr"], e["code"]) for e in answer["errors"]] == [("body", "unknown_variable")]
    assert answer["details"] == {"unknown": ["电话"], "known": ["昵称", "社群"]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, 400, "validation_error"),
        ({"scheduled_at": "tomorrow"}, 400, "validation_error"),
        ({"scheduled_at": 1}, 400, "validation_error"),
        ({"when": "2030-01-01T00:00:00Z"}, 400, "validation_error"),
    ],
)
def test_a_time_that_cannot_be_is_refused(api, operator, body, status, code):
    broadcast = due_broadcast(author=operator, status=BroadcastStatus.APPROVED)

    answer = api.post(f"/api/v1/broadcasts/{broadcast.pk}/schedule/", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_empty_audience_is_refused(api, operator):
    broadcast = due_broadcast(author=operator, members=0, status=BroadcastStatus.APPROVED)
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()

    answer = api.post(f"/api/v1/broadcasts/{broadcast.pk}/schedule/", {"scheduled_at": tomorrow})

    assert (answer.status_code, answer.json()["code"]) == (409, "audience_empty")


def test_the_author_may_not_approve_and_is_not_offered_to():
    administrator = UserFactory()
    broadcast = BroadcastFactory(author=administrator, status=BroadcastStatus.IN_REVIEW)
    api = client_of(administrator)

    shown = api.get(f"/api/v1/broadcasts/{broadcast.pk}/").json()
    answer = api.post(f"/api/v1/broadcasts/{broadcast.pk}/approve/")

    assert "approve" not in shown["available_actions"]
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_approve")


def test_pausing_resuming_and_cancelling(api, operator):
    broadcast = due_broadcast(author=operator)
    started(broadcast)
    url = f"/api/v1/broadcasts/{broadcast.pk}"

    assert api.post(f"{url}/pause/").json()["available_actions"] == ["resume", "halt", "cancel"]
    assert api.post(f"{url}/pause/").status_code == 409
    assert api.post(f"{url}/resume/").json()["status"] == "running"
    assert api.post(f"{url}/cancel/").json()["status"] == "cancelled"
    assert api.post(f"{url}/resume/").json()["code"] == "cannot_move"


def test_only_a_draft_is_edited(api, operator):
    draft = BroadcastFactory(author=operator)
    running = started(due_broadcast(author=operator)).broadcast

    assert api.patch(f"/api/v1/broadcasts/{draft.pk}/", {"name": "新"}).json()["name"] == "新"
    answer = api.patch(f"/api/v1/broadcasts/{running.pk}/", {"name": "新"})
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_edit")


def test_lists_cost_the_same_for_one_and_for_three(api, operator, django_assert_num_queries):
    for url, make, queries in (
        ("/api/v1/broadcasts/", lambda: BroadcastFactory(author=operator), 4),
        ("/api/v1/runs/", lambda: started(due_broadcast(author=operator)), 1),
        (
            "/api/v1/welcome-policies/",
            lambda: WelcomePolicyFactory(
                community=CommunityFactory(enterprise=operator.enterprise)
            ),
            1,
        ),
    ):
        make()
        with django_assert_num_queries(queries):
            assert len(api.get(url).json()["results"]) == 1
        make()
        make()
        with django_assert_num_queries(queries):
            assert len(api.get(url).json()["results"]) == 3
        Delivery.objects.all().delete()
        Broadcast.objects.exclude(runs__isnull=False).delete()


def test_deliveries_are_paged_by_key_and_filtered_by_state(
    api, operator, django_assert_num_queries
):
    broadcast = due_broadcast(author=operator, members=5, channel_account__failure_percent=100)
    run = started(broadcast)
    drain()
    url = f"/api/v1/runs/{run.pk}/deliveries/"

    seen, page = [], url + "?page_size=2"
    while page:
        with django_assert_num_queries(2):
            answer = api.get(page).json()
        seen += [row["recipient_id"] for row in answer["results"]]
        page = answer["next"]

    assert seen == sorted(seen)
    assert len(seen) == 5
    failed = api.get(url + "?status=failed").json()["results"]
    assert [row["reason"] for row in failed] == ["sandbox_failure"] * 5
    assert api.get(url + "?status=delivered").json()["results"] == []
    assert api.get(url + "?status=nonsense").status_code == 400
    assert api.get(url + "?statuss=failed").status_code == 400


def test_broadcasts_are_filtered(api, operator):
    running = started(due_broadcast(author=operator)).broadcast
    pause_broadcast(running.pk, actor=operator)
    BroadcastFactory(author=operator)

    rows = api.get("/api/v1/broadcasts/?status=paused").json()["results"]

    assert [row["id"] for row in rows] == [running.pk]
    assert api.get("/api/v1/broadcasts/?status=nonsense").status_code == 400


def test_a_welcome_policy_over_the_api(api, community):
    created = api.post(
        "/api/v1/welcome-policies/", {"body": "欢迎{{昵称}}", "community": community.pk}
    ).json()
    again = api.post("/api/v1/welcome-policies/", {"body": "又", "community": community.pk})
    changed = api.patch(f"/api/v1/welcome-policies/{created['id']}/", {"is_active": False}).json()

    assert created["is_active"] is True
    assert (again.status_code, again.json()["code"]) == (409, "welcome_taken")
    assert changed["is_active"] is False
