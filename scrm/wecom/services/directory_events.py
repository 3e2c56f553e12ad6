"""What the platform tells about the directory. It tells little, and in two forms: so the person or
department is read again, and only what cannot be read any more is taken from the event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from scrm.accounts.services.observing_departments import forget_department, observe_departments
from scrm.accounts.services.observing_staff import (
    miss_one,
    observe_staff,
    rename_staff,
    staff_left,
)
from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import Department, StaffDetail
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.events import Event
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.directory import seen_department, seen_staff
from scrm.wecom.services.reading import request_reads

STAFF_CHANGES = ("create_user", "update_user", "delete_user")
DEPARTMENT_CHANGES = ("create_party", "update_party", "delete_party")


def follow_directory(
    connection: WecomConnection, events: Sequence[Event]
) -> Mapping[int, str] | None:
    """Handles ``change_contact``. What has been deleted is read too: it may be back already, when
    the events came in another order."""
    # before anybody is locked: a reading, too, has its request first
    request_reads(connection, ReadKind.DEPARTMENT, _departments_of(events))
    request_reads(connection, ReadKind.STAFF, _staff_of(events))
    useless: dict[int, str] = {}
    for event in events:
        if not event["UserID"] and not event["Id"]:
            useless[event.row_id] = _("回调里没有员工账号或部门编号。")
        elif event.change_type == "update_user" and event["NewUserID"]:
            rename_staff(connection.enterprise_id, event["UserID"], new_userid=event["NewUserID"])
        elif event.change_type == "delete_user":
            staff_left(connection.enterprise_id, [event["UserID"]])
        elif event.change_type == "delete_party":
            forget_department(connection.enterprise_id, event["Id"])
    return useless


def _departments_of(events: Sequence[Event]) -> set[str]:
    told = [event for event in events if event.change_type in DEPARTMENT_CHANGES]
    return {event["Id"] for event in told if event["Id"].isdigit()}


def _staff_of(events: Sequence[Event]) -> set[str]:
    told = [event for event in events if event.change_type in STAFF_CHANGES and event["UserID"]]
    return {event["NewUserID"] or event["UserID"] for event in told}


class StaffReader:
    def fetch(self, client: WecomClient, external_id: str) -> StaffDetail:
        return client.staff(external_id)

    def apply(
        self, connection: WecomConnection, found: StaffDetail, *, read_at: datetime, **_: object
    ) -> None:
        observe_staff(connection.enterprise_id, [seen_staff(found)], read_at=read_at)

    def gone(self, connection: WecomConnection, external_id: str, *, refusal: WecomRefusal) -> None:
        """Gone or out of our sight: only a colleague whom we know is asked about."""
        miss_one(connection.enterprise_id, external_id)


class DepartmentReader:
    def fetch(self, client: WecomClient, external_id: str) -> Department:
        return client.department(int(external_id))

    def apply(
        self, connection: WecomConnection, found: Department, *, read_at: datetime, **_: object
    ) -> None:
        observe_departments(connection.enterprise_id, [seen_department(found)])

    def gone(self, connection: WecomConnection, external_id: str, *, refusal: WecomRefusal) -> None:
        """A department that we still have keeps its staff until the directory shows them
        elsewhere."""
