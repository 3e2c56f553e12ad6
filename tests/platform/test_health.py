import json
import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisGone

from scrm.shared import doctor, health
from scrm.shared.diagnosis import Status, diagnose
from scrm.shared.heartbeats import beat, beat_quietly, forget_the_gone
from scrm.shared.logs import JSONFormatter, RequestIDFilter
from scrm.shared.models import Heartbeat
from scrm.shared.tasks import sweep_heartbeat

pytestmark = pytest.mark.django_db


def findings():
    return {each.name: each.finding for each in diagnose()}


def living_processes():
    for kind in ("worker", "beat", "queue"):
        beat(f"{kind}:here", kind=kind)


# --- /healthz and /readyz -----------------------------------------------------------------------


def test_healthz_answers_without_asking_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_readyz_is_ready_when_database_redis_and_migrations_are(client):
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_readyz_names_what_is_missing_as_a_problem(client, monkeypatch):
    def gone(key):
        raise RedisGone

    monkeypatch.setattr(health.cache, "get", gone)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["status"]) == ("not_ready", 503)
    assert [error["code"] for error in problem["errors"]] == ["redis"]
    assert problem["request_id"] == response["X-Request-ID"]


def test_readyz_is_not_ready_while_a_migration_is_pending(client):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'shared'")

    problem = client.get("/readyz").json()

    assert [error["code"] for error in problem["errors"]] == ["migrations"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_health_page_only_answers_to_reading(client, path):
    assert client.post(path).status_code == 405


# --- Request id ---------------------------------------------------------------------------------


def test_a_harmless_request_id_is_taken_over(client):
    response = client.get("/healthz", headers={"X-Request-ID": "proxy-7.a_b"})

    assert response["X-Request-ID"] == "proxy-7.a_b"


@pytest.mark.parametrize("given", ["", "x" * 65, 'a"b', "a b", "号"])
def test_any_other_request_id_is_replaced(client, given):
    response = client.get("/healthz", headers={"X-Request-ID": given})

    assert len(response["X-Request-ID"]) == 32


# --- Page policy --------------------------------------------------------------------------------


def test_pages_for_people_may_load_what_is_ours_and_nothing_else(client):
    policy = client.get("/admin/login/")["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "default-src 'none'" in policy


def test_everything_else_may_load_nothing(client):
    policy = client.get("/healthz")["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy


# --- Heartbeats ---------------------------------------------------------------------------------


def test_beat_writes_one_row_per_process_by_the_clock_of_the_database():
    Heartbeat.objects.create(
        process="worker:a", kind="worker", beaten_at=timezone.now() - timedelta(minutes=5)
    )

    beat("worker:a", kind="worker")
    beat("worker:b", kind="worker")

    ages = [timezone.now() - each.beaten_at for each in Heartbeat.objects.order_by("pk")]
    assert len(ages) == 2
    assert max(ages) < timedelta(seconds=30)


def test_beat_quietly_goes_on_while_the_database_is_away(monkeypatch, caplog):
    def away(**_):
        raise DatabaseError

    monkeypatch.setattr(Heartbeat.objects, "filter", away)
    monkeypatch.setattr(connection, "close", lambda: None)

    beat_quietly("worker:a", kind="worker")

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_forget_the_gone_keeps_everybody_who_beat_within_a_day():
    day = timedelta(days=1)
    for name, age in (("gone", day * 1.01), ("living", day * 0.99)):
        Heartbeat.objects.create(process=name, kind="worker", beaten_at=timezone.now() - age)

    assert forget_the_gone() == 1
    assert [each.process for each in Heartbeat.objects.all()] == ["living"]


def test_the_round_trip_task_leaves_a_sign():
    sweep_heartbeat()

    assert Heartbeat.objects.get().process == "queue:sweep"


# --- Doctor -------------------------------------------------------------------------------------


def test_doctor_finds_a_living_installation_fine():
    living_processes()

    troubles = {
        name: finding for name, finding in findings().items() if finding.status == Status.FAILED
    }

    assert troubles == {}


def test_doctor_misses_a_process_that_never_beat():
    found = findings()

    assert {
        name for name in ("workers", "beat", "round_trip") if found[name].status == "failed"
    } == {
        "workers",
        "beat",
        "round_trip",
    }
    assert found["workers"].fix


def test_doctor_calls_a_process_silent_after_a_minute():
    living_processes()
    Heartbeat.objects.filter(kind="beat").update(
        beaten_at=timezone.now() - doctor.SILENT_AFTER - timedelta(seconds=5)
    )

    assert findings()["beat"].status == Status.FAILED


@pytest.mark.parametrize(
    ("name", "changes", "check", "expected"),
    [
        ("debug", {"DEBUG": True}, "debug", "failed"),
        ("short key", {"SECRET_KEY": "short"}, "secret_key", "failed"),
        ("no hosts", {"ALLOWED_HOSTS": []}, "hosts", "failed"),
        ("any host", {"ALLOWED_HOSTS": ["*"]}, "hosts", "warning"),
        ("bad key", {"PII_KEYS": ["not a key"]}, "encryption_key", "failed"),
        ("plain http", {"HTTPS": False, "EMBEDDED": False}, "https", "warning"),
        (
            "posters without https",
            {"PUBLIC_URL": "http://q.example", "EMBEDDED": False},
            "public_url",
            "warning",
        ),
        (
            "posters without a name",
            {"PUBLIC_URL": "https://*", "EMBEDDED": False},
            "public_url",
            "warning",
        ),
    ],
)
def test_doctor_finds_a_dangerous_setting(settings, name, changes, check, expected):
    for setting, value in changes.items():
        setattr(settings, setting, value)

    assert findings()[check].status == expected


def test_doctor_says_how_to_fix_what_it_finds_and_fails(capsys):
    with pytest.raises(CommandError):
        call_command("doctor")

    printed = capsys.readouterr().out
    assert "失败" in printed
    assert "→ make up" in printed


def test_doctor_prints_json_without_any_secret(capsys, settings):
    living_processes()

    call_command("doctor", "--json")

    printed = capsys.readouterr().out
    assert {"name", "status", "title", "detail", "fix"} == set(json.loads(printed)["checks"][0])
    for secret in (settings.SECRET_KEY, *settings.PII_KEYS):
        assert secret not in printed


def test_a_check_that_cannot_run_is_a_finding(monkeypatch):
    def broken():
        raise DatabaseError

    monkeypatch.setitem(doctor.check.__globals__["_checks"], "broken", broken)

    assert findings()["broken"].status == Status.FAILED


# --- Logs ---------------------------------------------------------------------------------------


def test_a_log_line_is_one_json_object_that_nobody_can_forge():
    record = logging.LogRecord("x", logging.INFO, "f", 1, 'told\n{"level": "FORGED"}', None, None)
    record.campaign_id = 7
    RequestIDFilter().filter(record)

    line = JSONFormatter().format(record)

    assert "\n" not in line
    parsed = json.loads(line)
    assert (parsed["level"], parsed["logger"], parsed["campaign_id"]) == ("INFO", "x", 7)
    assert parsed["time"].endswith("Z")
