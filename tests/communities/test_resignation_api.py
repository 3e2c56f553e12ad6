"""Cases of who has left, and whom chats have belonged to, over HTTP."""

import pytest
from rest_framework.test import APIClient

from communities.models import ResignationCase
from communities.rules.transfers import BrokenRule
from communities.services.ownership.owning import name_owner
from communities.services.resignation.sweeps import advance_cases
from scrm.accounts.rules.roles import DataScope, Role
from scrm.shared.clock import database_now
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from tests.accounts.factories import ApiKeyFactory, StaffFactory, UserFactory, plain_key_of
from tests.communities.factories import GroupChatFactory
from tests.communities.transfer_factories import OwnershipViolationFactory
from tests.communities.transfer_worlds import Office

pytestmark = pytest.mark.django_db

CASES = "/api/v1/resignation-cases/"
PERIODS = "/api/v1/ownership-periods/"
VIOLATIONS = "/api/v1/ownership-violations/"
ITEMS = "/api/v1/transfer-items/"


@pytest.fixture
def office():
    """Nobody can be asked: the company was not connected yet."""
    office = Office("赵敏")
    WecomConnection.objects.update(state=ConnectionState.DRAFT)
    return office


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def api(office):
    return client_of(office.author)


@pytest.fixture
def boss(office):
    return client_of(office.boss)


def opened(api, staff):
    answer = api.post(CASES, {"staff": staff.pk})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def advance():
    ResignationCase.objects.open().update(due_at=database_now())
    assert advance_cases(limit=50) is False


def act(api, case, verb, **body):
    return api.post(f"{CASES}{case['id']}/{verb}/", body)


def test_a_case_is_opened_planned_rejected_planned_again_and_approved(api, boss, office):
    office.chat()
    office.community()
    login = UserFactory(enterprise=office.enterprise, staff=office.giver)
    key = plain_key_of(ApiKeyFactory(user=login))

    case = opened(api, office.giver)
    assert (case["status"], case["transfer"], case["staff_name"]) == ("opened", None, "林乔")
    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get(CASES).status_code == 401
    early = act(boss, case, "approve")
    assert (early.status_code, early.json()["code"]) == (409, "case_is_not_planned")

    advance()
    planned = api.get(f"{CASES}{case['id']}/").json()
    assert planned["status"] == "awaiting_approval"
    assert planned["available_actions"] == ["approve", "reject", "replan"]
    assert (planned["progress"]["total"], planned["progress"]["explained"]) == (2, 0)
    assert planned["progress"]["quota_days"] == 1
    assert planned["progress"]["deadline"] > planned["left_at"]
    assert {each["subject"] for each in planned["counts"]} == {"chat", "community"}

    rejected = act(boss, case, "reject", reason="换一位")
    assert rejected.status_code == 200
    assert act(api, case, "replan").status_code == 200
    advance()
    approved = act(boss, case, "approve").json()
    assert approved["status"] == "running"
    rows = api.get(ITEMS, {"transfer": approved["transfer"], "subject": "chat"}).json()["results"]
    assert [(row["state"], row["receiver_name"]) for row in rows] == [("queued", "赵敏")]


def test_what_is_asked_wrongly_is_refused(api, boss, office):
    for staff in (StaffFactory().pk, 999_999_999, 0, "1", None, [1]):
        answer = api.post(CASES, {"staff": staff})
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "staff")
    assert api.post(CASES, {}).status_code == 400
    assert not ResignationCase.objects.exists()

    case = opened(api, office.giver)
    again = api.post(CASES, {"staff": office.giver.pk})
    assert (again.status_code, again.json()["code"]) == (409, "case_is_open")
    assert act(boss, case, "reject").status_code == 400
    assert act(boss, case, "approve", force=True).status_code == 400
    assert api.get(CASES, {"staff": StaffFactory().pk}).status_code == 400
    assert api.get(CASES, {"state": "running"}).status_code == 400


def test_only_who_manages_accounts_has_somebody_leave_who_is_still_there(office):
    operator = client_of(UserFactory(enterprise=office.enterprise, role=Role.OPERATOR))
    gone = office.colleague("前同事", is_active=False)

    refused = operator.post(CASES, {"staff": office.giver.pk})

    assert refused.status_code == 403
    office.giver.refresh_from_db()
    assert office.giver.is_active
    assert opened(operator, gone)["staff"] == gone.pk


def test_cases_are_listed_with_their_counts_and_found(api, office, django_assert_max_num_queries):
    office.chat()
    case = opened(api, office.giver)
    other = opened(api, office.colleague("前同事", is_active=False))
    advance()

    with django_assert_max_num_queries(3):
        rows = api.get(CASES).json()["results"]

    assert [row["id"] for row in rows] == [other["id"], case["id"]]
    assert [each["count"] for each in rows[1]["counts"]] == [1]
    assert "progress" not in rows[1]
    found = api.get(CASES, {"staff": office.giver.pk}).json()["results"]
    assert [row["id"] for row in found] == [case["id"]]
    assert api.get(CASES, {"status": "cancelled"}).json()["results"] == []


def test_rights_and_scopes_hold_for_cases(api, office):
    case = opened(api, office.giver)
    reader, reviewer = (
        client_of(UserFactory(enterprise=office.enterprise, role=role))
        for role in (Role.READ_ONLY, Role.REVIEWER)
    )
    narrow = client_of(
        UserFactory(
            enterprise=office.enterprise,
            staff=office.receiver,
            data_scope=DataScope.OWN_COMMUNITIES,
        )
    )

    assert reader.get(f"{CASES}{case['id']}/").json()["available_actions"] == []
    assert act(reader, case, "replan").status_code == 403
    assert reviewer.post(CASES, {"staff": office.receiver.pk}).status_code == 403
    assert narrow.get(CASES).json()["results"] == []
    assert act(narrow, case, "replan").status_code == 404


def handed(office):
    chat = office.chat(name="猫友一群")
    chat.owner, chat.owner_userid = office.receiver, office.receiver.external_id
    chat.save()
    name_owner(chat)
    return chat


def test_the_history_of_a_chat_is_told_from_the_beginning(api, office):
    chat = handed(office)

    rows = api.get(PERIODS, {"chat": chat.pk, "ordering": "began_at"}).json()["results"]

    assert [row["staff_name"] for row in rows] == ["林乔", "赵敏"]
    assert rows[0]["ended_at"] == rows[1]["began_at"]
    assert rows[1]["ended_at"] is None
    assert {row["chat_name"] for row in rows} == {"猫友一群"}
    now = api.get(PERIODS, {"chat": chat.pk, "open": "true"}).json()["results"]
    assert [row["id"] for row in now] == [rows[1]["id"]]
    before = api.get(PERIODS, {"staff": office.giver.pk, "open": "false"}).json()["results"]
    assert [row["id"] for row in before] == [rows[0]["id"]]
    assert api.get(f"{PERIODS}{rows[0]['id']}/").json() == rows[0]
    assert api.get(PERIODS, {"chat": GroupChatFactory().pk}).status_code == 400


def test_a_violation_is_told_with_the_rules_broken_and_accepted_once_with_a_reason(office):
    violation = OwnershipViolationFactory(
        chat=handed(office),
        rules=[BrokenRule.WITHOUT_APPROVAL.value, BrokenRule.OVER_MAXIMUM.value],
    )
    operator, reviewer = (
        client_of(UserFactory(enterprise=office.enterprise, role=role))
        for role in (Role.OPERATOR, Role.REVIEWER)
    )
    url = f"{VIOLATIONS}{violation.pk}/"

    row = operator.get(url).json()
    assert (row["staff_name"], row["words"]) == ("赵敏", ["没有经过审批", "新群主的群超过上限"])
    assert row["available_actions"] == []
    assert operator.post(f"{url}accept/", {"note": "可以"}).status_code == 403
    assert reviewer.post(f"{url}accept/", {"note": " "}).status_code == 400
    accepted = reviewer.post(f"{url}accept/", {"note": "店长同意"}).json()
    assert (accepted["status"], accepted["note"]) == ("accepted", "店长同意")
    assert reviewer.post(f"{url}accept/", {"note": "店长同意"}).status_code == 409
    assert reviewer.get(VIOLATIONS, {"status": "open"}).json()["results"] == []
    assert len(reviewer.get(VIOLATIONS, {"staff": office.receiver.pk}).json()["results"]) == 1
