"""Nobody sees or moves a row of another enterprise, through any door of the API.

The doors are found by walking the URLs, so a new one without a case fails here. Every refusal has
an allowed twin that succeeds: a door that refuses everybody proves nothing.
"""

import pytest
from django.utils import timezone
from django_filters.filters import ModelChoiceFilter
from rest_framework.test import APIClient

from scrm.accounts.api.permissions import SIGNED_IN
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Role, capabilities_of
from tests.accounts.factories import ApiKeyFactory, plain_key_of
from tests.isolation import (
    api_cases,
    api_routes,
    build_world,
    doors,
    fingerprint,
    moved,
    undone,
)

OURS, THEIRS = "SecretOfJia7Qx", "SecretOfYi3Zk"  # ASCII: some pages escape anything else


@pytest.fixture
def worlds(db):
    return build_world("ours", OURS), build_world("theirs", THEIRS)


def knock(door, url_of, *, body_of=None, query="", **credentials):
    client = APIClient(raise_request_exception=False)
    if user := credentials.get("user"):
        client.force_authenticate(User.objects.get(pk=user.pk))
    if key := credentials.get("key"):
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain_key_of(key)}")
    body = door.body(body_of or url_of)
    return client.generic(
        door.method.upper(),
        door.url(url_of) + query,
        data=b"" if body is None else client._encode_data(body, "json", None)[0],
        content_type="application/json",
    )


def text_of(response):
    return response.getvalue().decode(errors="replace")


def test_every_route_has_a_case_and_every_case_a_route():
    assert set(api_routes()) == set(api_cases())


def test_every_route_names_the_capability_it_needs():
    assert [str(door) for door in doors() if door.capability is None] == []


def test_nobody_gets_in_without_signing_in(worlds):
    ours, _theirs = worlds
    dead = [
        ApiKeyFactory(user=ours.administrator, expires_at=timezone.now()),
        ApiKeyFactory(user=ours.administrator, revoked_at=timezone.now()),
        ApiKeyFactory(user=ours["disabled user"]),
    ]
    failures, before = [], fingerprint()
    for number, door in enumerate(doors()):
        with undone():
            for credentials in ({}, {"key": dead[number % len(dead)]}):
                response = knock(door, ours, **credentials)
                if response.status_code != 401 or OURS in text_of(response):
                    failures.append(f"{door} {credentials}: {response.status_code}")
            if touched := moved(before, fingerprint()):
                failures.append(f"{door} moved {touched}")
    assert failures == []


def test_a_stranger_finds_no_row_of_ours_behind_any_url(worlds):
    ours, theirs = worlds
    stranger = theirs.administrator
    key = ApiKeyFactory(user=stranger)
    failures, before = [], fingerprint()
    for door in doors():
        if not door.call.url_kwargs(ours):
            continue
        with undone():
            for credentials in ({"user": stranger}, {"key": key}):
                response = knock(door, ours, body_of=theirs, **credentials)
                if response.status_code != 404 or OURS in text_of(response):
                    failures.append(f"{door}: {response.status_code} {text_of(response)}")
            if touched := moved(before, fingerprint()):
                failures.append(f"{door} moved {touched}")
    assert failures == []


def test_a_stranger_reads_only_his_own_in_every_list(worlds):
    ours, theirs = worlds
    failures = []
    for door in doors():
        if door.method != "get" or door.call.url_kwargs(ours):
            continue
        response = knock(door, theirs, user=theirs.administrator)
        text = text_of(response)
        if (
            response.status_code != 200
            or OURS in text
            or f'"enterprise":{ours.enterprise.pk}' in text
        ):
            failures.append(f"{door}: {response.status_code} {text[:300]}")
    assert failures == []


def test_ids_of_ours_in_a_strangers_body_are_refused(worlds):
    ours, theirs = worlds
    failures, tried = [], 0
    everything, mine = fingerprint(), fingerprint(ours.enterprise)
    for door in doors():
        if door.method == "get":
            continue
        names_rows = door.call.refers_to_its_world(ours, theirs)
        tried += names_rows
        with undone():
            response = knock(door, theirs, body_of=ours, user=theirs.administrator)
            all_touched = moved(everything, fingerprint())
            ours_touched = moved(mine, fingerprint(ours.enterprise))
        if names_rows and (response.status_code not in door.call.refusals or all_touched):
            failures.append(f"{door}: {response.status_code} {all_touched} {text_of(response)}")
        if ours_touched or OURS in text_of(response):
            failures.append(f"{door}: moved {ours_touched}")
    assert failures == []
    assert tried


def test_ids_of_ours_in_a_strangers_filter_are_refused_like_ids_that_never_were(worlds):
    ours, theirs = worlds
    failures, tried = [], 0
    for door in doors():
        filterset = getattr(door.view, "filterset_class", None)
        if door.action != "list" or filterset is None:
            continue
        for name, kind in filterset.base_filters.items():
            if not isinstance(kind, ModelChoiceFilter):
                continue
            for row in ours.rows_of(model_of(kind, theirs))[:2]:
                tried += 1
                own = knock(door, ours, user=ours.administrator, query=f"?{name}={row.pk}")
                foreign, missing = (
                    knock(door, theirs, user=theirs.administrator, query=f"?{name}={pk}")
                    for pk in (row.pk, 2**40)
                )
                answers = own.status_code, foreign.status_code, missing.status_code
                same = foreign.json().get("detail") == missing.json().get("detail")
                if answers != (200, 400, 400) or not same:
                    failures.append(f"{door} ?{name}: {answers}")
    assert failures == []
    assert tried


def model_of(kind, world):
    class Request:
        user = world.administrator

    return kind.get_queryset(Request).model


@pytest.mark.parametrize("role", Role.values)
def test_a_role_opens_the_doors_of_its_capabilities_and_no_other(worlds, role):
    """An administrator is asked at every door, and there the allowed call succeeds; of the doors
    that others may open each tries a third."""
    ours, _theirs = worlds
    failures, before = [], fingerprint()
    is_administrator, turn = role == Role.ADMINISTRATOR, Role.values.index(role)
    for number, door in enumerate(doors()):
        allowed = door.capability == SIGNED_IN or door.capability in capabilities_of(role)
        if allowed and not is_administrator and number % 3 != turn % 3:
            continue
        with undone():
            response = knock(door, ours, user=ours.users[role])
            touched = [] if allowed else moved(before, fingerprint())
        expected = door.call.answers if is_administrator else {*door.call.answers, 409}
        if allowed and response.status_code not in expected:
            failures.append(f"{door}: {response.status_code} {text_of(response)[:300]}")
        if not allowed and (response.status_code != 403 or touched):
            failures.append(f"{door}: {response.status_code} {touched}")
    assert failures == []


def test_a_key_does_no_more_than_its_scopes_and_no_more_than_its_user(worlds):
    ours, _theirs = worlds
    empty = ApiKeyFactory(user=ours.administrator, scopes=[])
    whole = ApiKeyFactory(user=ours.administrator)
    wide = ApiKeyFactory(user=ours.users[Role.READ_ONLY])
    failures = []
    kinds = (
        (empty, frozenset()),
        (whole, capabilities_of(Role.ADMINISTRATOR)),
        (wide, capabilities_of(Role.READ_ONLY)),
    )
    for number, door in enumerate(doors()):  # the keys of a user who may do it take turns
        for key, held in (kinds[0], kinds[1 + number % 2]):
            allowed = door.capability == SIGNED_IN or door.capability in held
            with undone():
                status = knock(door, ours, key=key).status_code
            expected = {*door.call.answers, 409} if allowed else {403}
            if status not in expected:
                failures.append(f"{door} {key}: {status}")
    assert failures == []


def test_reading_changes_nothing(worlds):
    ours, _theirs = worlds
    before = fingerprint()

    for door in doors():
        if door.method == "get":
            knock(door, ours, user=ours.administrator)

    assert moved(before, fingerprint()) == []
