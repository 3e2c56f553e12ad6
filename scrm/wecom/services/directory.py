"""The directory as the platform shows it: departments, staff, and who may use customer contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models.functions import Lower
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scrm.accounts.models import Department, Staff, StaffPlatformStatus
from scrm.accounts.rules.disappearance import is_mass_disappearance
from scrm.accounts.services.observing_departments import DepartmentSeen, observe_departments
from scrm.accounts.services.observing_staff import (
    StaffSeen,
    allow_customer_contact,
    miss_staff,
    observe_staff,
    unseen_staff,
)
from scrm.wecom.client import WecomClient
from scrm.wecom.client.codes import GONE
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import Department as PlatformDepartment
from scrm.wecom.client.results import StaffDetail
from scrm.wecom.handlers import Page
from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import SyncScope
from scrm.wecom.services.fetching import Fetcher
from scrm.wecom.services.platform_clock import platform_now

STAFF_PER_PAGE = 50
OUT_OF_SIGHT = frozenset({60011})  # the right on one department was taken away meanwhile

STATUSES = {
    1: StaffPlatformStatus.ACTIVE,
    2: StaffPlatformStatus.DISABLED,
    4: StaffPlatformStatus.NOT_ACTIVATED,
    5: StaffPlatformStatus.LEFT,
}


def seen_staff(detail: StaffDetail) -> StaffSeen:
    main = (detail.main_department,) if detail.main_department else ()
    departments = tuple(dict.fromkeys([*main, *detail.department_ids]))
    return StaffSeen(
        userid=detail.userid,
        name=detail.name,
        department_ids=tuple(str(number) for number in departments),
        status=STATUSES.get(detail.status, ""),
    )


def seen_department(department: PlatformDepartment) -> DepartmentSeen:
    return DepartmentSeen(
        external_id=str(department.id),
        name=department.name,
        parent_id=str(department.parent_id) if department.parent_id else "",
    )


class DirectoryStep:
    """Departments, then the staff of each, then who may use customer contact, then who was not
    seen, one by one. Nobody is taken for gone here: a right taken from us looks the same."""

    name = "directory"
    title: str | Promise = gettext_lazy("通讯录")
    scopes: frozenset[str] = frozenset({SyncScope.FULL, SyncScope.DIRECTORY})
    drift = frozenset(
        {"added", "changed", "closed", "missing", "departments_added", "departments_changed"}
    )

    def pages(self, run: SyncRun, client: WecomClient, cursor: dict[str, Any]) -> Iterator[Page]:
        if cursor.get("is_done"):
            return
        if not cursor:
            departments = client.departments()
            cursor = {"since": platform_now(run.connection).isoformat(), "after": 0}
            yield Page(partial(_write_departments, run, departments), cursor)
        since = datetime.fromisoformat(cursor["since"])
        for department in _departments_after(run, cursor["after"]):
            yield from _pages_of(run, department, client, since)
        if "asked" not in cursor:
            cursor = {"since": cursor["since"], "after": MAX_ID, "asked": ""}
            yield Page(partial(_write_followers, run, client.follow_users()), cursor)
        yield from _asked_one_by_one(run, client.follow_users(), cursor)
        yield _unseen_page(run, {**cursor, "is_done": True})


MAX_ID = 2**63 - 1


def _departments_after(run: SyncRun, after: int) -> Iterator[Department]:
    known = Department.objects.filter(enterprise=run.enterprise_id, pk__gt=after)
    numbered = known.filter(external_id__regex=r"^[0-9]{1,18}$")  # the platform's are numbers
    return iter(list(numbered.order_by("pk")))


def _pages_of(
    run: SyncRun, department: Department, client: WecomClient, since: datetime
) -> Iterator[Page]:
    """Those who were read already, in another department or before a kill, are left out: so the
    pages between go on from the same department."""
    cursor = {"since": since.isoformat(), "after": department.pk - 1}
    done = {**cursor, "after": department.pk}
    listed = _listed(client, department)
    unread = _unread(department.enterprise_id, list(listed), since)
    for start in range(0, len(unread), STAFF_PER_PAGE):
        userids = unread[start : start + STAFF_PER_PAGE]
        found = [each for userid in userids if (each := _in_full(client, listed[userid]))]
        is_last = start + STAFF_PER_PAGE >= len(unread)
        write = partial(
            _write_staff, run, found, platform_now(run.connection), expected=len(userids)
        )
        yield Page(write, done if is_last else cursor)
    if not unread:
        yield Page(dict, done)


def _listed(client: WecomClient, department: Department) -> dict[str, StaffDetail]:
    try:
        found = client.department_staff(int(department.external_id))
    except WecomRefusal as refusal:
        if refusal.code not in GONE | OUT_OF_SIGHT:
            raise
        return {}
    return {each.userid: each for each in found}


def _in_full(client: WecomClient, listed: StaffDetail) -> StaffDetail | None:
    """Some lists name people without their status; who is gone meanwhile is not seen."""
    if listed.status and listed.name:
        return listed
    try:
        return client.staff(listed.userid)
    except WecomRefusal as refusal:
        if refusal.code not in GONE | OUT_OF_SIGHT:
            raise
        return None


def _unread(enterprise_id: int, userids: Sequence[str], since: datetime) -> list[str]:
    rows = Staff.objects.filter(enterprise=enterprise_id).annotate(lowered=Lower("external_id"))
    seen = rows.filter(lowered__in=[userid.lower() for userid in userids], seen_at__gte=since)
    read = set(seen.values_list("lowered", flat=True))
    return sorted({userid for userid in userids if userid.lower() not in read})


def _asked_one_by_one(
    run: SyncRun, followers: Sequence[str], cursor: dict[str, Any]
) -> Iterator[Page]:
    """Those whom no department has shown: the app may see people without their department."""
    since = datetime.fromisoformat(cursor["since"])
    known = unseen_staff(run.enterprise_id, since=since).values_list("external_id", flat=True)
    unread = _unread(run.enterprise_id, [*known, *followers], since)
    left = [userid for userid in unread if userid > cursor["asked"]]
    with Fetcher(run.connection) as fetcher:
        for start in range(0, len(left), STAFF_PER_PAGE):
            userids = left[start : start + STAFF_PER_PAGE]
            answers = fetcher.each(WecomClient.staff, userids, spared=GONE | OUT_OF_SIGHT)
            found = [each for _, each in answers if isinstance(each, StaffDetail)]
            write = partial(
                _write_staff, run, found, platform_now(run.connection), expected=len(found)
            )
            yield Page(write, {**cursor, "asked": userids[-1]})


def _write_staff(
    run: SyncRun, found: Sequence[StaffDetail], read_at: datetime, *, expected: int
) -> Mapping[str, int]:
    seen = [seen_staff(each) for each in found]
    return {"expected": expected, **observe_staff(run.enterprise_id, seen, read_at=read_at)}


def _write_departments(
    run: SyncRun, departments: Sequence[PlatformDepartment]
) -> Mapping[str, int]:
    counts = observe_departments(run.enterprise_id, [seen_department(d) for d in departments])
    return {
        "departments": counts["seen"],
        "departments_added": counts["added"],
        "departments_changed": counts["changed"],
    }


def _write_followers(run: SyncRun, userids: Sequence[str]) -> Mapping[str, int]:
    counts = allow_customer_contact(run.enterprise_id, userids)
    return {"changed": counts["gained"] + counts["lost"], "followers": len(userids)}


def _unseen_page(run: SyncRun, cursor: dict[str, Any]) -> Page:
    since = datetime.fromisoformat(cursor["since"])
    known = Staff.objects.active().filter(enterprise=run.enterprise_id).exclude(external_id="")
    unseen = unseen_staff(run.enterprise_id, since=since).count()
    if is_mass_disappearance(unseen, known=known.count()):
        words = _("%(count)d 位员工从通讯录里消失，太多了，没有当真：请检查应用的可见范围。")
        return Page(lambda: {"unseen": unseen}, cursor, partial=words % {"count": unseen})
    return Page(lambda: {"missing": miss_staff(run.enterprise_id, since=since)}, cursor)
