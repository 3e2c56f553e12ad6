import pytest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from scrm.accounts.api.permissions import SIGNED_IN, CapabilityPermission
from scrm.accounts.models import Department, User
from scrm.accounts.rules.roles import Capability, Role
from scrm.accounts.services.audit import record_audit
from tests.accounts.factories import (
    ApiKeyFactory,
    DepartmentFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def client(boss):
    client = APIClient()
    client.force_authenticate(boss)
    return client


class Undeclared(ViewSet):
    permission_classes = (CapabilityPermission,)
    required_capabilities = {"list": Capability.VIEW_ACCOUNTS}

    def list(self, request):
        return Response([])

    def retrieve(self, request, pk):
        return Response({})


class Nothing(APIView):
    permission_classes = (CapabilityPermission,)

    def get(self, request):
        return Response({})


def status_of(view, user, method="get", **kwargs):
    request = getattr(APIRequestFactory(), method)("/")
    if user:
        force_authenticate(request, user)
    return view(request, **kwargs).status_code


def test_an_action_that_declares_no_capability_is_denied_to_everybody(boss):
    methods = {"get": "list", "post": "retrieve"}

    assert status_of(Undeclared.as_view(methods), boss) == 200
    assert status_of(Undeclared.as_view(methods), boss, "post", pk=1) == 403
    assert status_of(Nothing.as_view(), boss) == 403


def test_a_disabled_or_missing_user_gets_nothing(boss):
    boss.is_active = False

    assert status_of(Undeclared.as_view({"get": "list"}), boss) == 403
    assert status_of(Undeclared.as_view({"get": "list"}), None) == 401


def test_a_method_that_is_not_there_is_405_and_not_403(client):
    assert client.put("/api/v1/departments/1/", {}).status_code == 405
    assert client.options("/api/v1/departments/").status_code in {403, 405}
    assert SIGNED_IN not in Capability.values
    assert "GET" in SAFE_METHODS


LISTS = {
    "departments": lambda boss: DepartmentFactory(
        enterprise=boss.enterprise, parent=DepartmentFactory(enterprise=boss.enterprise)
    ),
    "staff": lambda boss: StaffFactory(
        enterprise=boss.enterprise, department=DepartmentFactory(enterprise=boss.enterprise)
    ),
    "users": lambda boss: UserFactory(
        enterprise=boss.enterprise, staff=StaffFactory(enterprise=boss.enterprise)
    ),
    "api-keys": lambda boss: ApiKeyFactory(user=UserFactory(enterprise=boss.enterprise)),
    "audit-events": lambda boss: record_audit(boss, verb="x", subject=boss),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_costs_the_same_for_one_row_and_for_three(
    boss, client, name, django_assert_num_queries
):
    LISTS[name](boss)
    with django_assert_num_queries(1):
        assert client.get(f"/api/v1/{name}/").json()["results"]
    for _ in range(2):
        LISTS[name](boss)
    with django_assert_num_queries(1):
        assert len(client.get(f"/api/v1/{name}/").json()["results"]) >= 3


def test_a_department_is_made_renamed_and_deleted(boss, client):
    made = client.post("/api/v1/departments/", {"name": "华东", "external_id": "3"})
    pk = made.json()["id"]
    renamed = client.patch(f"/api/v1/departments/{pk}/", {"name": "华南"})
    gone = client.delete(f"/api/v1/departments/{pk}/")

    assert made.json() == {"id": pk, "name": "华东", "parent": None, "external_id": "3"}
    assert renamed.json()["name"] == "华南"
    assert gone.status_code == 204
    assert not Department.objects.exists()


def test_a_refusal_by_a_verb_is_409_with_its_code(boss, client):
    response = client.post(f"/api/v1/users/{boss.pk}/disable/")

    assert (response.status_code, response.json()["code"]) == (409, "not_yourself")
    assert response.json()["detail"] == "不能停用自己。"


def test_a_user_cannot_be_given_more_than_the_verbs_take(boss, client):
    for name, value in (
        ("is_superuser", True),
        ("is_staff", True),
        ("enterprise", 1),
        ("groups", []),
        ("user_permissions", []),
        ("is_active", True),
        ("acting_key", 1),
    ):
        body = {"username": "new", "role": "operator", name: value}
        response = client.post("/api/v1/users/", body)
        assert response.json()["errors"][0]["code"] == "unknown_field", name
    assert User.objects.count() == 1


def test_filters_narrow_a_list(boss, client):
    other = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST, username="ana")

    def usernames(query):
        rows = client.get(f"/api/v1/users/?{query}").json()["results"]
        return [row["username"] for row in rows]

    assert usernames("role=analyst") == ["ana"]
    assert usernames("role=analyst&role=administrator") == [boss.username, "ana"]
    assert usernames("username=AN") == ["ana"]
    assert usernames("ordering=-id") == ["ana", boss.username]
    assert client.get("/api/v1/users/?role=king").status_code == 400
    assert client.get("/api/v1/users/?is_active=perhaps").status_code in {200, 400}
    audit = f"/api/v1/audit-events/?actor={other.pk}&happened_after=2026-01-01T00:00:00Z"
    assert client.get(audit).json()["results"] == []


def test_nobody_sees_a_password_hash(boss, client):
    boss.set_password("correct horse battery")
    boss.save(update_fields=["password"])

    for path in ("me", "users", f"users/{boss.pk}"):
        text = client.get(f"/api/v1/{path}/").content.decode()
        assert boss.password not in text
        assert "password" not in text
