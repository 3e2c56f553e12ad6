from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from scrm.accounts.models import AuditEvent
from scrm.accounts.readable import difference, readable
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.audit import record_audit
from tests.accounts.factories import ApiKeyFactory, DepartmentFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_record_audit_writes_values_of_every_kind():
    user = UserFactory()
    department = DepartmentFactory(enterprise=user.enterprise, name="华东")

    event = record_audit(
        user,
        verb="try",
        subject=department,
        before={"role": Role.OPERATOR, "when": datetime(2026, 1, 1, tzinfo=UTC)},
        after={
            "day": date(2026, 1, 2),
            "amount": Decimal("1.50"),
            "department": department,
            "list": [1, {"a": None}],
            "set": {"x"},
            "secret": "hush",
            "password": "",
        },
    )

    event.refresh_from_db()
    assert (event.object_type, event.object_id) == ("accounts.department", department.pk)
    assert event.enterprise == user.enterprise
    assert event.before == {"role": "operator", "when": "2026-01-01T00:00:00+00:00"}
    assert event.after == {
        "day": "2026-01-02",
        "amount": "1.50",
        "department": {"id": department.pk, "name": "华东"},
        "list": [1, {"a": None}],
        "set": ["x"],
        "secret": "***",
        "password": "",
    }


def test_the_key_that_acted_is_recorded():
    key = ApiKeyFactory()
    key.user.acting_key = key

    assert record_audit(key.user, verb="try", subject=key.user).api_key == key


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditevent SET verb = 'x'",
        "UPDATE accounts_auditevent SET verb = 'x' WHERE false",
        "DELETE FROM accounts_auditevent",
        "DELETE FROM accounts_auditevent WHERE false",
    ],
)
def test_the_database_refuses_to_change_the_record(statement):
    event = record_audit(None, verb="try", subject=UserFactory())

    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert AuditEvent.objects.get() == event


def test_the_database_refuses_to_empty_the_record():
    with transaction.atomic(), connection.cursor() as cursor:
        # the test database has this trigger switched off, to be emptied between tests
        cursor.execute(
            "ALTER TABLE accounts_auditevent ENABLE TRIGGER audit_events_are_not_truncated"
        )
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            cursor.execute("TRUNCATE accounts_auditevent")
        transaction.set_rollback(True)


def test_the_orm_cannot_change_it_either():
    event = record_audit(None, verb="try", subject=UserFactory())

    for change in (
        lambda: AuditEvent.objects.update(verb="x"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: event.save(force_update=True),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_a_value_is_shown_in_words():
    assert readable(None) == "—"
    assert readable(True) == "是"
    assert readable({"id": 7, "name": "<b>华东</b>"}) == "<b>华东</b>（#7）"
    assert "<li>&lt;i&gt;</li>" in readable(["<i>"])
    assert "&lt;x&gt;" in readable({"<x>": 1})


def test_a_difference_shows_only_what_changed():
    shown = difference({"name": "旧", "size": 1}, {"name": "<新>", "size": 1}, {"name": "名称"})

    assert "名称" in shown
    assert "旧" in shown
    assert "&lt;新&gt;" in shown
    assert "size" not in shown
    assert difference({}, {}, {}) == "—"
