"""No input, however hostile, makes any endpoint answer 5xx, and nothing hostile is let in quietly.

The endpoints are those of the two-enterprise matrix, their parameters those of the schema.
"""

import os
import re
from copy import deepcopy
from functools import cache
from urllib.parse import quote

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient
from rest_framework.utils import json

from tests.isolation import build_world, doors, fingerprint, moved, undone
from tests.shared.test_parsers import HOSTILE

POISONS = [
    None, True, False, "", " ", "x", "0", "-1", "٣", "１", "NaN", "x" * 100_000, "=1+1",
    "{{7*7}}", "%s", "'", "../../etc/passwd", "<script>", "2026-13-45", "2026-01-01T00:00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9" * 40, -1, 0, 1, 1.5, 2**31, 2**63,
    -(2**63) - 1, 10**30, 10**300, [], [None], [[]], [{}], {}, {"a": 1}, {"": None},
    ["x"] * 1000, [2**63],
]  # fmt: skip
TEXTS = [
    "", "%00", "abc", "-1", "0", "1.5", "1e400", "1e49", "9" * 30, "9" * 5000, "%ED%A0%80", "%FF",
    "%F0%9F%98%80", "%D9%A3", "null", "true", "2026-01-01", "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00", "2026-01-01T00:00", "%27", "%5B%5D", "a,b", "1,2,", ",",
    "x" * 3000,
]  # fmt: skip

# One place gets every eighth value, the next place those after them; 1 tries everything (minutes).
STRIDE = int(os.environ.get("SCRM_HOSTILE_STRIDE", "16"))


def some(values, number):
    return values[number % STRIDE :: STRIDE]


@pytest.fixture
def world(db):
    return build_world("home", "Home")


def client_of(world):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(world.administrator)
    return client


def send(client, door, world, body, content_type="application/json"):
    with undone():
        return client.generic(door.method.upper(), door.url(world), body, content_type=content_type)


def writing_doors():
    return [door for door in doors() if door.method in {"post", "put", "patch"}]


@cache
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operation(door, world):
    url = door.url(world).partition("?")[0].rstrip("/")  # pictures have no slash at the end
    templates = sorted(schema()["paths"], key=lambda path: path.count("{"))
    path = next(path for path in templates if re.fullmatch(pattern_of(path), url))
    return schema()["paths"][path][door.method]


def pattern_of(path):
    return re.sub(r"{[^}]+}", "[^/]+", path.rstrip("/"))


def fields_of(door, world):
    content = operation(door, world).get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    component = schema()["components"]["schemas"].get(reference.rpartition("/")[2], {})
    return list(component.get("properties", {}))


def leaves(value, path=()):
    """The place of every value inside a document, the containers included."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items if isinstance(value, dict | list) else ():
        if isinstance(item, dict | list):
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


def replaced(document, path, value):
    document = deepcopy(document)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


def test_a_hostile_document_is_refused_at_every_door(world):
    client, failures = client_of(world), []
    for number, door in enumerate(writing_doors()):
        before = fingerprint()
        for body, code in some(HOSTILE, number):
            if not body:
                continue  # no body at all is the business of the serializer
            response = send(client, door, world, body)
            if response.status_code != 400 or response.json()["code"] != code:
                failures.append(f"{door} {body[:40]}: {response.status_code} {response.content}")
        if moved(before, fingerprint()):
            failures.append(f"{door} moved something")
    assert failures == []


def test_a_document_of_another_kind_is_refused_at_every_door(world):
    client, failures = client_of(world), []
    for number, door in enumerate(writing_doors()):
        for body in some((b"null", b"1", b'"text"', b"[]", b"[1]", b"true"), number):
            status = send(client, door, world, body).status_code
            if status >= 500 or status < 400:
                failures.append(f"{door} {body}: {status}")
        kinds = ("text/plain", "application/xml", "multipart/form-data", "x" * 300)
        for content_type in some(kinds, number):
            status = send(client, door, world, b"{}", content_type).status_code
            if status not in {400, 415}:
                failures.append(f"{door} {content_type}: {status}")
    assert failures == []


def test_an_unknown_field_is_refused_at_every_door(world):
    client, failures = client_of(world), []
    names = ("surprise", "enterprise", "enterprise_id", "id", "is_superuser")
    for number, door in enumerate(writing_doors()):
        body = door.body(world)
        if not isinstance(body, dict | None):
            continue
        for name in {"surprise", "enterprise", *some(names, number)}:
            if name in (body or {}):
                continue
            response = send(client, door, world, json.dumps({**(body or {}), name: 1}))
            codes = {error["code"] for error in response.json().get("errors", [])}
            if response.status_code != 400 or not codes & {"unknown_field", "read_only_field"}:
                failures.append(f"{door} {name}: {response.status_code} {response.content}")
    assert failures == []


def test_no_value_in_any_field_breaks_a_door(world):
    client, failures, tried = client_of(world), [], 0
    for door in writing_doors():
        body = door.body(world)
        body = {} if body is None else body
        places = set(leaves(body)) | {(name,) for name in fields_of(door, world)}
        if isinstance(body, list):
            places = set(leaves(body))
        for number, place in enumerate(sorted(places, key=str)):
            for poison in some(POISONS, number + len(door.route)):
                tried += 1
                document = json.dumps(replaced(body, place, poison))
                response = send(client, door, world, document)
                if response.status_code >= 500:
                    failures.append(f"{door} {place}={str(poison)[:40]}: {response.status_code}")
    assert failures == []
    assert tried


def test_no_query_breaks_a_list(world):
    client, failures, tried = client_of(world), [], 0
    for door in doors():
        if door.method != "get":
            continue
        parameters = [
            parameter["name"]
            for parameter in operation(door, world).get("parameters", [])
            if parameter["in"] == "query"
        ]
        for number, name in enumerate(parameters):
            for text in some(TEXTS, number + len(door.route)):
                tried += 1
                response = client.get(f"{door.url(world)}?{name}={text}")
                if response.status_code >= 500:
                    failures.append(f"{door} ?{name}={text[:40]}: {response.status_code}")
    assert failures == []
    assert tried


def test_a_misspelt_filter_is_refused_by_every_list(world):
    client, failures = client_of(world), []
    for door in doors():
        if door.action == "list":
            response = client.get(f"{door.url(world)}?statuss=active")
            if response.status_code != 400:
                failures.append(f"{door}: {response.status_code}")
    assert failures == []


def test_no_id_in_the_path_breaks_a_door(world):
    client, failures = client_of(world), []
    segments = [text for text in TEXTS if text and "/" not in text and "." not in text]
    for number, door in enumerate(doors()):
        if not door.call.row:
            continue
        good = door.url(world)
        segment = f"/{world[door.call.row].pk}/"
        for text in some(segments, number):
            url = good.replace(segment, f"/{text}/", 1)
            body = door.body(world)
            with undone():
                response = client.generic(
                    door.method.upper(),
                    url,
                    json.dumps({} if body is None else body),
                    content_type="application/json",
                )
            if response.status_code not in {400, 404}:
                failures.append(f"{door} {quote(text)[:40]}: {response.status_code}")
    assert failures == []


def test_an_unused_method_is_refused_at_every_door(world):
    client = client_of(world)
    used = {}
    for door in doors():
        used.setdefault(door.route, (door.url(world), set()))[1].add(door.method)
    failures = [
        f"{method} {url}"
        for url, methods in used.values()
        for method in ("get", "post", "put", "patch", "delete", "options", "trace")
        if method not in methods
        and client.generic(method.upper(), url, "{}", content_type="application/json").status_code
        not in {403, 405}
    ]
    assert failures == []
