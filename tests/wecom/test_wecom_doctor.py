from datetime import timedelta

import pytest
from django.utils import timezone

from scrm.shared.diagnosis import Status
from scrm.wecom.doctor import callbacks_are_processed, companies_are_read, connections_work
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import EventState, ReadState, SyncState
from tests.wecom.factories import (
    InboundEventFactory,
    ReadRequestFactory,
    SyncRunFactory,
    WecomConnectionFactory,
)

pytestmark = pytest.mark.django_db


def ago(**units):
    return timezone.now() - timedelta(**units)


def test_an_installation_without_wecom_is_well():
    checks = (connections_work, callbacks_are_processed, companies_are_read)
    assert {check().status for check in checks} == {Status.OK}


def test_a_failing_connection_is_told_before_one_that_never_listened():
    WecomConnectionFactory()
    assert connections_work().status == Status.WARNING
    WecomConnectionFactory(state="failing", state_code="40001")
    found = connections_work()
    assert (found.status, "40001" in found.detail) == (Status.FAILED, True)


def test_a_paused_connection_is_nobodys_business():
    WecomConnectionFactory(state="paused", state_code="40001", created_at=ago(days=9))
    assert connections_work().status == companies_are_read().status == Status.OK


def test_a_connection_that_listens_is_well():
    WecomConnectionFactory(callback_verified_at=timezone.now())
    assert connections_work().status == Status.OK


def test_callbacks_that_nobody_works_on_are_told_with_their_age():
    InboundEventFactory(due_at=ago(minutes=7))
    found = callbacks_are_processed()
    assert (found.status, "7 分钟" in found.detail) == (Status.FAILED, True)


def test_what_failed_waits_for_an_operator():
    event = InboundEventFactory(state=EventState.FAILED, due_at=ago(days=1))
    ReadRequestFactory(connection=event.connection, state=ReadState.FAILED)
    found = callbacks_are_processed()
    assert (found.status, found.detail) == (
        Status.WARNING,
        "1 条处理失败，1 个对象读取失败",
    )


def test_a_company_that_was_not_read_for_two_nights_is_told():
    connection = WecomConnectionFactory()
    WecomConnection.objects.update(created_at=ago(days=5))
    run = SyncRunFactory(connection=connection, state=SyncState.PARTIAL, finished_at=ago(hours=20))
    assert companies_are_read().status == Status.OK
    run.finished_at = ago(hours=40)
    run.save()
    SyncRunFactory(connection=connection, state=SyncState.FAILED, finished_at=ago(hours=1))
    found = companies_are_read()
    assert (found.status, "40 小时" in found.detail) == (Status.WARNING, True)
