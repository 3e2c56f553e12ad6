import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from scrm.accounts.rules.roles import Role
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import EventState, ReadState, SyncState
from tests.accounts.factories import UserFactory
from tests.wecom.factories import (
    ApiQuotaFactory,
    InboundEventFactory,
    ReadRequestFactory,
    SyncRunFactory,
    WecomConnectionFactory,
)
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db
API = "/api/v1"
IDS = {"corp_id": "ww1a2b3c4d5e6f7a8b", "agent_id": 1000002, "app_secret": "s" * 43}


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def api(boss):
    client = APIClient()
    client.force_login(boss)
    return client


@pytest.fixture
def connection(boss):
    return WecomConnectionFactory(enterprise=boss.enterprise)


def test_a_company_is_connected_over_the_api_and_nothing_secret_comes_back(api):
    answer = api.post(f"{API}/wecom-connections/", IDS, format="json")
    assert answer.status_code == 201, answer.data
    made = WecomConnection.objects.get()
    assert answer.data["callback_url"].endswith(f"/wecom/callback/{made.callback_key}")
    said = answer.content.decode()
    for secret in (made.app_secret, made.callback_token, made.callback_aes_key):
        assert secret not in said
    assert not {"app_secret", "callback_token", "callback_aes_key"} & set(answer.data)


def test_a_wrong_value_is_named_by_its_field(api):
    answer = api.post(f"{API}/wecom-connections/", {**IDS, "corp_id": "我的企业"}, format="json")
    assert answer.status_code == 400
    assert [(e["attr"], e["code"]) for e in answer.data["errors"]] == [
        ("corp_id", "invalid_credential")
    ]


def test_a_test_of_a_connection_answers_with_its_checks(api, boss):
    simulated = simulated_corp(boss.enterprise)
    answer = api.post(f"{API}/wecom-connections/{simulated.connection.pk}/test/")
    assert answer.status_code == 200
    assert answer.data["is_well"] is True
    names = [check["name"] for check in answer.data["checks"]]
    assert names[:2] == ["host", "credential"]


def test_a_connection_is_edited_synced_rotated_paused_and_resumed(api, connection):
    url = f"{API}/wecom-connections/{connection.pk}/"
    assert api.patch(url, {"name": "分部"}, format="json").data["name"] == "分部"
    assert api.post(f"{url}sync/", {"scope": "groups"}, format="json").status_code == 200
    assert SyncRun.objects.get().scope == "groups"
    assert api.post(f"{url}sync/").data["code"] == "sync_is_running"
    assert api.post(f"{url}rotate-callback/").data["is_rotating"] is False
    paused = api.post(f"{url}pause/").data
    assert (paused["state"], paused["available_actions"]) == ("paused", ["resume"])
    assert api.post(f"{url}test/").data["code"] == "connection_is_paused"
    assert api.post(f"{url}resume/").data["state"] == "draft"


def test_the_document_of_an_event_is_only_for_who_manages(api, connection):
    event = InboundEventFactory(
        connection=connection, payload="<xml><Mobile>13912345678</Mobile><Id>5</Id></xml>"
    )
    url = f"{API}/inbound-events/{event.pk}/"
    assert api.get(url).data["payload"] == "<xml><Mobile>****</Mobile><Id>5</Id></xml>"
    reader = APIClient()
    reader.force_login(UserFactory(enterprise=connection.enterprise, role=Role.ANALYST))
    assert reader.get(url).data["payload"] is None
    with CaptureQueriesContext(database) as queries:
        listed = api.get(f"{API}/inbound-events/").data["results"]
    assert "payload" not in listed[0]
    assert not any('"payload"' in each["sql"] for each in queries)


def test_events_are_filtered_and_replayed(api, connection):
    InboundEventFactory(connection=connection)
    failed = InboundEventFactory(connection=connection, state=EventState.FAILED)
    listed = api.get(f"{API}/inbound-events/?state=failed&connection={connection.pk}").data
    assert [(row["id"], row["words"]) for row in listed["results"]] == [(failed.pk, "成员入群")]
    url = f"{API}/inbound-events/{failed.pk}/replay/"
    assert api.post(url).data["state"] == "waiting"
    assert api.post(url).status_code == 409


def test_a_failed_reading_is_tried_again(api, connection):
    failed = ReadRequestFactory(connection=connection, state=ReadState.FAILED)
    answer = api.post(f"{API}/read-requests/{failed.pk}/replay/")
    assert answer.data["state"] == "waiting"


def test_a_sync_is_read_in_words_and_cancelled(api, connection):
    run = SyncRunFactory(
        connection=connection,
        counts={"groups": {"seen": 3}},
        drift={"groups": {"added": 2}},
        state=SyncState.RUNNING,
    )
    read = api.get(f"{API}/sync-runs/{run.pk}/").data
    assert read["counts"] == {"groups": {"seen": 3}}
    assert "2" in read["drift_words"]
    assert api.post(f"{API}/sync-runs/{run.pk}/cancel/").data["state"] == "cancelled"


def test_quotas_are_listed_by_day(api, connection):
    quota = ApiQuotaFactory(connection=connection)
    listed = api.get(f"{API}/api-quotas/?day={quota.day}").data["results"]
    assert [(row["api"], row["call_count"]) for row in listed] == [(quota.api, 12)]
