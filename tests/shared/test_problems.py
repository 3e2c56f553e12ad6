import pytest
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from scrm.accounts.models import Enterprise
from scrm.shared.errors import DomainError
from scrm.urls import handler400, handler403, handler404, handler500  # noqa: F401
from tests.accounts.factories import UserFactory

KEYS = {"type", "title", "status", "code", "detail", "errors", "request_id"}


class CannotDoIt(DomainError):
    code = "cannot_do_it"


FAILURES = {
    "refusal": CannotDoIt("现在不行。", details={"clauses": [{"metric": "posts", "actual": 1}]}),
    "model": ValidationError({"name": ValidationError("太长。", "too_long")}),
    "gone": Enterprise.DoesNotExist(),
    "suspicious": SuspiciousOperation("x"),
    "database": OperationalError("canceling statement due to statement timeout"),
    "bug": ZeroDivisionError("a secret detail"),
    "hurry": Throttled(wait=3),
}


class Failing(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request, name):
        raise FAILURES[name]

    def post(self, request, name):
        return Response({"length": len(request.data)})


class Roomy(Failing):
    max_body_bytes = 3 * 2**20


urlpatterns = [
    path("api/v1/fail/roomy/", Roomy.as_view(), {"name": "roomy"}),
    path("api/v1/fail/<name>/", Failing.as_view()),
]


def answer(name, method="get", **options):
    client = APIClient(raise_request_exception=False)
    with override_settings(ROOT_URLCONF="tests.shared.test_problems"):
        return getattr(client, method)(f"/api/v1/fail/{name}/", **options)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refusal", 409, "cannot_do_it"),
        ("model", 400, "validation_error"),
        ("gone", 404, "not_found"),
        ("suspicious", 400, "parse_error"),
        ("database", 503, "unavailable"),
        ("bug", 500, "error"),
        ("hurry", 429, "throttled"),
    ],
)
def test_every_failure_has_one_shape(name, status, code):
    response = answer(name)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) - {"details"} == KEYS
    assert (body["status"], body["code"], body["type"]) == (
        status,
        code,
        f"urn:scrm:problem:{code}",
    )
    assert body["detail"]
    assert body["request_id"] == response["X-Request-ID"]
    assert "secret" not in response.content.decode()


def test_a_refusal_carries_its_facts():
    body = answer("refusal").json()

    assert body["detail"] == "现在不行。"
    assert body["details"] == {"clauses": [{"metric": "posts", "actual": 1}]}


def test_a_breach_of_a_model_names_the_field():
    errors = answer("model").json()["errors"]

    assert errors == [{"attr": "name", "code": "too_long", "detail": "太长。"}]


def test_a_refusal_that_time_heals_tells_when_to_come_back():
    assert answer("database")["Retry-After"] == "1"
    assert answer("hurry")["Retry-After"] == "3"


def test_the_framework_refuses_in_the_same_shape():
    not_json = answer(
        "refusal", "post", data="a=1", content_type="application/x-www-form-urlencoded"
    )
    broken = answer("refusal", "post", data="{", content_type="application/json")
    large = answer("refusal", "post", data='"' + "a" * 2**20 + '"', content_type="application/json")
    wrong_method = answer("refusal", "delete")

    refusals = [not_json, broken, large, wrong_method]
    assert [(response.status_code, response.json()["code"]) for response in refusals] == [
        (415, "unsupported_media_type"),
        (400, "invalid_json"),
        (413, "payload_too_large"),
        (405, "method_not_allowed"),
    ]
    assert {response["Content-Type"] for response in refusals} == {"application/problem+json"}


def test_a_view_may_take_more_than_django_would():
    """DATA_UPLOAD_MAX_MEMORY_SIZE is 1 MiB; the parser reads the stream itself."""
    body = '"' + "a" * (2 * 2**20) + '"'

    taken = answer("roomy", "post", data=body, content_type="application/json")
    refused = answer("roomy", "post", data=body * 2, content_type="application/json")

    assert taken.json() == {"length": 2 * 2**20}
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")


@pytest.mark.django_db
def test_an_address_that_is_not_there_is_a_problem_under_api_and_a_page_elsewhere():
    under_api, elsewhere = Client().get("/api/v1/nothing/"), Client().get("/nothing/")

    assert under_api.json()["code"] == "not_found"
    assert under_api["Content-Type"] == "application/problem+json"
    assert elsewhere.status_code == 404
    assert "json" not in elsewhere["Content-Type"]


@pytest.mark.django_db
def test_answers_are_chinese_unless_english_is_asked_for():
    client = APIClient()
    user = UserFactory()

    anonymous = client.get("/api/v1/me/").json()
    english = client.get("/api/v1/me/", headers={"Accept-Language": "en"}).json()
    client.force_authenticate(user)
    chinese_error = client.get("/api/v1/staff/?page_size=x").json()
    english_error = client.get(
        "/api/v1/staff/?page_size=x", headers={"Accept-Language": "en"}
    ).json()

    assert anonymous["title"] == "需要登录"
    assert anonymous["code"] == english["code"] == "not_authenticated"
    assert english["detail"] == "Authentication credentials were not provided."
    assert chinese_error["errors"][0]["detail"] == "每页数量必须是正整数。"
    assert english_error["errors"][0]["detail"].isascii()
    assert chinese_error["code"] == english_error["code"] == "validation_error"
