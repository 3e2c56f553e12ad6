from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from scrm.accounts.errors import ExpiryInThePast, KeyIsRevoked, ScopeNotHeld, UserIsDisabled
from scrm.accounts.models import ApiKey, AuditEvent, User
from scrm.accounts.rules.roles import Capability, Role
from scrm.accounts.services.api_keys import (
    create_api_key,
    digest_of,
    find_usable_key,
    revoke_api_key,
)
from scrm.accounts.services.users import change_role, disable_user
from tests.accounts.factories import ApiKeyFactory, StaffFactory, UserFactory, plain_key_of

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def boss():
    return UserFactory()


def get(path, plain, scheme="Bearer"):
    return APIClient().get(f"/api/v1/{path}/", headers={"Authorization": f"{scheme} {plain}"})


def test_create_api_key_keeps_only_a_digest(boss):
    key, plain = create_api_key(actor=boss, name="机器人", scopes=["members.view"])

    assert plain.startswith("scrm_")
    assert len(plain) > 40
    assert (key.prefix, key.digest, key.user) == (plain[:12], digest_of(plain), boss)
    with connection.cursor() as cursor:
        for table in ("accounts_apikey", "accounts_auditevent"):
            cursor.execute(f"SELECT string_agg(t::text, '') FROM {table} t")
            assert plain not in cursor.fetchone()[0]


def test_a_key_widens_neither_its_user_nor_its_maker(boss):
    reader = UserFactory(enterprise=boss.enterprise, role=Role.READ_ONLY)
    operator = UserFactory(enterprise=boss.enterprise, role=Role.OPERATOR)
    narrow = ApiKeyFactory(user=boss, scopes=["accounts.manage"])
    boss_by_key = User.objects.get(pk=boss.pk)
    boss_by_key.acting_key = narrow

    for actor, user, scope in (
        (boss, reader, "communities.manage"),
        (operator, boss, "accounts.manage"),
        (boss_by_key, boss, "communities.manage"),
        (boss, boss, "no.such.scope"),
    ):
        with pytest.raises(ScopeNotHeld) as refusal:
            create_api_key(actor=actor, user=user, name="x", scopes=["communities.view", scope])
        assert scope in refusal.value.details["scopes"]


def test_create_api_key_refuses_the_past_the_disabled_and_the_stranger(boss):
    disabled = UserFactory(enterprise=boss.enterprise, is_active=False)

    with pytest.raises(ExpiryInThePast):
        create_api_key(actor=boss, name="x", scopes=[], expires_at=NOON - timedelta(days=9999))
    with pytest.raises(UserIsDisabled):
        create_api_key(actor=boss, user=disabled, name="x", scopes=[])
    with pytest.raises(User.DoesNotExist):
        create_api_key(actor=boss, user=UserFactory(), name="x", scopes=[])


def test_revoke_api_key_works_once_and_only_at_home(boss):
    key = ApiKeyFactory(user=boss)

    revoke_api_key(key.pk, actor=boss)

    with pytest.raises(KeyIsRevoked):
        revoke_api_key(key.pk, actor=boss)
    with pytest.raises(ApiKey.DoesNotExist):
        revoke_api_key(ApiKeyFactory().pk, actor=boss)
    assert get("me", plain_key_of(key)).status_code == 401


def test_a_key_signs_its_user_in_within_its_scopes(boss):
    key = ApiKeyFactory(user=boss, scopes=["accounts.view", "members.view"])

    body = get("me", plain_key_of(key)).json()

    assert body["username"] == boss.username
    assert body["enterprise"]["id"] == boss.enterprise_id
    assert body["capabilities"] == ["accounts.view", "members.view"]
    assert get("staff", plain_key_of(key)).status_code == 200
    assert get("audit-events", plain_key_of(key)).status_code == 403


@pytest.mark.parametrize(
    "plain", ["", "scrm_", "scrm_unknown", "nonsense", "scrm_\xff", "scrm_ a b", "x" * 5000]
)
def test_an_unknown_key_is_turned_away_with_a_way_to_do_better(plain):
    response = get("me", plain)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="scrm"'
    assert response.json()["code"] in {"invalid_api_key", "not_authenticated"}


def test_another_scheme_is_not_ours(boss):
    assert get("me", plain_key_of(ApiKeyFactory(user=boss)), scheme="Token").status_code == 401
    assert get("me", plain_key_of(ApiKeyFactory(user=boss)), scheme="bearer").status_code == 200


def test_an_expired_key_is_turned_away_at_once(boss):
    key = ApiKeyFactory(user=boss, expires_at=NOON)

    with time_machine.travel(NOON - timedelta(seconds=1), tick=False):
        assert get("me", plain_key_of(key)).status_code == 200
    with time_machine.travel(NOON, tick=False):
        assert get("me", plain_key_of(key)).status_code == 401


def test_a_change_of_role_and_a_disabled_user_count_from_the_next_request(boss):
    user = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST)
    plain = plain_key_of(ApiKeyFactory(user=user))
    browser = Client()
    browser.force_login(user)

    assert get("audit-events", plain).status_code == 200
    change_role(user.pk, actor=boss, role=Role.READ_ONLY)
    assert get("audit-events", plain).status_code == 403
    assert browser.get("/api/v1/audit-events/").status_code == 403
    disable_user(user.pk, actor=boss)
    assert get("me", plain).status_code == 401
    assert browser.get("/api/v1/me/").status_code == 401


def test_the_last_use_is_noted_at_most_once_a_minute(boss, django_assert_num_queries):
    key = ApiKeyFactory(user=boss)

    def used_at(moment, queries):
        with time_machine.travel(moment, tick=False), django_assert_num_queries(queries):
            get("me", plain_key_of(key))
        key.refresh_from_db()
        return key.last_used_at

    assert used_at(NOON, 2) == NOON
    assert used_at(NOON + timedelta(seconds=59), 1) == NOON  # read again after the note
    assert used_at(NOON + timedelta(seconds=60), 0) == NOON
    assert used_at(NOON + timedelta(seconds=61), 1) == NOON + timedelta(seconds=61)


def test_what_a_key_does_is_recorded_with_the_key(boss):
    key = ApiKeyFactory(user=boss)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain_key_of(key)}")

    client.post("/api/v1/departments/", {"name": "部门"})

    event = AuditEvent.objects.get(verb="create_department")
    assert (event.actor, event.api_key) == (boss, key)
    assert not Session.objects.exists()


def test_the_api_shows_a_new_key_once(boss):
    client = APIClient()
    client.force_authenticate(boss)

    response = client.post("/api/v1/api-keys/", {"name": "k", "scopes": [Capability.VIEW_MEMBERS]})

    plain = response.json()["key"]
    assert response["Cache-Control"] == "no-store"
    assert get("me", plain).status_code == 200
    for path in ("/api/v1/api-keys/", f"/api/v1/api-keys/{response.json()['id']}/"):
        assert plain not in client.get(path).content.decode()
        assert digest_of(plain) not in client.get(path).content.decode()


def test_a_session_needs_the_csrf_token(boss):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(boss)

    response = browser.post(
        "/api/v1/departments/", {"name": "部门"}, content_type="application/json"
    )

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_a_key_that_was_just_used_is_found_in_one_quick_question(boss, django_assert_num_queries):
    key = ApiKeyFactory(user=boss)
    first = find_usable_key(plain_key_of(key))

    with django_assert_num_queries(0):  # the prepared one is not counted
        again = find_usable_key(plain_key_of(key))

    assert again == first == key
    assert (again.user, again.user.enterprise) == (boss, boss.enterprise)
    again.user.role = Role.READ_ONLY  # of this request alone
    assert find_usable_key(plain_key_of(key)).user.role == boss.role


@pytest.mark.parametrize(
    "change",
    [
        lambda user: User.objects.filter(pk=user.pk).update(role=Role.READ_ONLY),
        lambda user: type(user.enterprise).objects.update(name="改名"),
        lambda user: ApiKey.objects.update(scopes=[]),
        lambda user: type(user.staff).objects.update(name="改名"),
        lambda user: User.objects.filter(pk=user.pk).update(staff=None),
    ],
)
def test_what_changes_about_a_key_is_seen_by_the_next_request(change):
    user = UserFactory(staff=StaffFactory())
    plain = plain_key_of(ApiKeyFactory(user=user))

    def picture():
        key = find_usable_key(plain)
        staff = key.user.staff.name if key.user.staff else None
        return key.scopes, key.user.role, key.user.enterprise.name, staff

    before = picture()
    for _turn in range(2):
        change(user)

    assert picture() != before
