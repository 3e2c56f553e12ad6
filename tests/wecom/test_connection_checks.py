from datetime import timedelta

import pytest
from django.utils import timezone

from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskStatus
from scrm.wecom.errors import ConnectionIsPaused
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from scrm.wecom.services.connection_checks import check_connection, is_private, is_well
from tests.accounts.factories import UserFactory
from tests.wecom.factories import InboundEventFactory, WecomConnectionFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(settings):
    """A company in which everything is in place, connected but never tried."""
    simulated = simulated_corp(state=ConnectionState.DRAFT)
    simulated.corp.add_staff("lin.qiao", "林乔")
    simulated.corp.create_group("lin.qiao", "交流群")
    simulated.connection.callback_verified_at = timezone.now()
    simulated.connection.save()
    InboundEventFactory(connection=simulated.connection)
    return simulated


@pytest.fixture
def boss(company):
    return UserFactory(enterprise=company.enterprise)


def found(company, boss):
    return {each.name: each for each in check_connection(company.connection.pk, actor=boss)}


def state(company):
    return WecomConnection.objects.get(pk=company.connection.pk).state


def test_a_connection_that_works_passes_every_check_and_counts_as_connected(company, boss):
    checks = found(company, boss)
    assert {name: each.status for name, each in checks.items()} == dict.fromkeys(
        ["host", "credential", "directory", "customer_contact", "groups", "callback", "clock"], "ok"
    )
    assert is_well(list(checks.values()))
    assert state(company) == "connected"
    assert AuditEvent.objects.get(verb="check_connection").after["credential"] == "ok"


def test_a_wrong_secret_is_told_with_the_place_to_find_the_right_one(company, boss):
    company.connection.app_secret = "wrong"
    company.connection.save()
    checks = found(company, boss)
    assert "credential" in checks
    assert "directory" not in checks
    assert (checks["credential"].status, checks["credential"].code) == ("failed", 40001)
    assert "Secret" in checks["credential"].fix
    assert state(company) == "draft"


def test_a_corp_id_that_looks_odd_is_pointed_out(company, boss):
    WecomConnection.objects.filter(pk=company.connection.pk).update(corp_id="my-company")
    check = found(company, boss)["credential"]
    assert check.code == 40013
    assert check.fix.startswith("现在填的不像企业 ID。")


def test_an_untrusted_address_is_named(company, boss):
    company.corp.apps[0].trusted_ip = False
    check = found(company, boss)["directory"]
    assert check.code == 60020
    assert "127.0.0.1" in check.fix


def test_an_app_without_customer_contact_is_told_where_to_add_it(company, boss):
    company.corp.apps[0].may_call_customers = False
    checks = found(company, boss)
    assert checks["directory"].status == "ok"
    assert checks["customer_contact"].code == 48002
    assert "可调用接口的应用" in checks["customer_contact"].fix


def test_a_working_connection_that_is_refused_asks_somebody_to_act(company, boss):
    WecomConnection.objects.update(state="connected")
    company.corp.apps[0].may_call_customers = False
    found(company, boss)
    assert state(company) == "failing"
    task = OperatorTask.objects.get()
    assert (task.kind, task.details["code"]) == ("connection_failing", "48002")
    company.corp.apps[0].may_call_customers = True
    found(company, boss)
    assert state(company) == "connected"
    task.refresh_from_db()
    assert task.status == TaskStatus.DONE


def test_a_company_without_customer_contact_staff_and_groups_is_warned(settings):
    simulated = simulated_corp(state=ConnectionState.DRAFT)
    checks = found(simulated, UserFactory(enterprise=simulated.enterprise))
    assert (checks["customer_contact"].status, checks["groups"].status) == ("warning", "warning")
    assert checks["callback"].status == "warning"
    assert "设置 API 接收" in checks["callback"].fix


def test_a_platform_out_of_breath_says_nothing_about_the_connection(company, boss):
    company.corp.faults.add("refuse", api="externalcontact/groupchat/list", code=45009)
    check = found(company, boss)["groups"]
    assert (check.status, check.code) == ("warning", 0)
    assert state(company) == "connected"


def test_new_secrets_that_the_platform_does_not_have_yet_are_pointed_out(company, boss):
    company.connection.former_callback_token = "former"
    company.connection.save()
    check = found(company, boss)["callback"]
    assert check.status == "warning"
    assert "换新" in check.words


def test_a_long_silence_is_pointed_out(company, boss):
    company.connection.inbound_events.update(received_at=timezone.now() - timedelta(days=4))
    assert found(company, boss)["callback"].status == "warning"


def test_nobody_answering_is_one_finding_and_no_waiting(company, boss, settings):
    settings.WECOM_SIMULATOR_URL = "http://127.0.0.1:9"
    checks = found(company, boss)
    assert [*checks] == ["host"]
    assert "127.0.0.1:9" in checks["host"].words
    settings.WECOM_SIMULATOR_URL = ""
    assert [*found(company, boss)] == ["host"]


def test_nothing_secret_is_ever_said(company, boss):
    company.corp.apps[0].trusted_ip = False
    secrets = (
        company.connection.app_secret,
        company.connection.callback_token,
        company.connection.callback_aes_key,
    )
    said = repr(found(company, boss))
    assert not [secret for secret in secrets if secret in said]


def test_a_paused_connection_is_not_tried(company, boss):
    WecomConnection.objects.update(state="paused")
    with pytest.raises(ConnectionIsPaused):
        found(company, boss)


def test_a_stranger_tries_no_connection_of_ours():
    connection = WecomConnectionFactory()
    with pytest.raises(WecomConnection.DoesNotExist):
        check_connection(connection.pk, actor=UserFactory())


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("https://192.168.1.4", True),
        ("https://", True),
        ("https://scrm.example.com", False),
    ],
)
def test_an_address_only_we_can_reach_is_known_as_such(url, private):
    assert is_private(url) is private
