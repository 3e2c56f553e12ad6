"""The page on which somebody watches how far their file is."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from members.models import ImportRun
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.members.factories import ImportRunFactory

pytestmark = pytest.mark.django_db

MOVED = {"byte_position": 50, "total_size": 200, "line_count": 12, "accepted_count": 9}


@pytest.fixture
def operator():
    return UserFactory(enterprise=EnterpriseFactory(), role=Role.ADMINISTRATOR)


@pytest.fixture
def browser(client, operator):
    client.force_login(operator)
    return client


def page_of(browser, run, **query):
    return browser.get(reverse("admin:members_importrun_change", args=[run.pk]), query)


def hand_in(browser):
    file = SimpleUploadedFile("a.csv", b"member,community,kind\n")
    values = {"kind": "activity", "source": "export", "upload": file}
    return browser.post(reverse("admin:members_importrun_add"), values)


def test_whoever_hands_in_a_file_is_led_to_its_progress(browser):
    response = hand_in(browser)

    run = ImportRun.objects.get()
    assert response.url == reverse("admin:members_importrun_change", args=[run.pk])


def test_the_page_asks_again_while_the_file_is_read(browser):
    hand_in(browser)
    ImportRun.objects.update(**MOVED)
    run = ImportRun.objects.get()

    whole, part = page_of(browser, run).text, page_of(browser, run, fragment="progress").text

    assert 'hx-trigger="every 2s"' in whole
    assert "25%" in part
    assert "<html" not in part


def test_a_command_that_was_interrupted_is_not_waited_for(browser, operator):
    run = ImportRunFactory(enterprise=operator.enterprise)

    text = page_of(browser, run).text

    assert "再运行一次同一条命令" in text
    assert "every 2s" not in text


def test_when_it_is_done_the_page_is_loaded_again_and_asks_no_more(browser, operator):
    run = ImportRunFactory(enterprise=operator.enterprise, finished_at=timezone.now())

    assert page_of(browser, run, fragment="progress").headers["HX-Refresh"] == "true"
    assert "every 2s" not in page_of(browser, run).text


def test_the_progress_of_another_enterprise_is_not_shown(client, operator):
    run = ImportRunFactory(enterprise=operator.enterprise)
    client.force_login(UserFactory())

    response = page_of(client, run, fragment="progress")

    assert response.status_code in {302, 404}
