"""The record of who did what. Written inside every verb that has a person behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.models import Model

from scrm.accounts.models import AuditEvent, Enterprise, User

HIDDEN = "***"
SECRET_FIELDS = frozenset(
    {
        "password",
        "secret",
        "digest",
        "token",
        "app_secret",
        "callback_token",
        "callback_aes_key",
    }
)


def record_audit(
    actor: User | None,
    *,
    verb: str,
    subject: Model,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Append one event; call it in the verb's transaction, before the fact is announced.

    ``actor`` is None for what the system does by itself. Values may be rows, instants, enums and
    the like; secrets are written as ``***`` whatever they are.
    """
    return AuditEvent.objects.create(
        enterprise_id=enterprise_of(subject),
        actor=actor,
        api_key=actor.acting_key if actor is not None else None,
        verb=verb,
        object_type=subject._meta.label_lower,
        object_id=subject.pk,
        before=plain(before or {}),
        after=plain(after or {}),
    )


def enterprise_of(subject: Model) -> int:
    if isinstance(subject, Enterprise):
        return subject.pk
    return subject.enterprise_id  # type: ignore[attr-defined, no-any-return]  # every domain row has one


def snapshot(subject: Model, fields: Iterable[str]) -> dict[str, Any]:
    """The named fields of a row as they are now: the ``before`` or ``after`` of an event."""
    return {name: getattr(subject, name) for name in fields}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: HIDDEN if name in SECRET_FIELDS and value else plain_value(value)
        for name, value in values.items()
    }


def plain_value(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case Model():
            return {"id": value.pk, "name": str(value)}
        case Mapping():
            return {str(key): plain_value(item) for key, item in value.items()}
        case Iterable():
            return [plain_value(item) for item in value]
    return str(value)
