"""When this happens, communities does that."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.dispatch import receiver

from communities import tasks
from communities.rules.transfers import CaseCause
from communities.services.resignation.resigning import begin_case, cancel_case_of
from communities.services.transfers.executing import wake_what_waits
from communities.signals import cases_due
from scrm.accounts.models import Staff, User
from scrm.accounts.signals import staff_deactivated, staff_reactivated
from scrm.shared.waking import wake
from scrm.wecom.signals import clock_heard


@receiver(staff_deactivated)
def begin_the_case(*, staff_id: int, actor_id: int | None, **_: object) -> None:
    staff = Staff.objects.get(pk=staff_id)
    cause = CaseCause.PLATFORM if actor_id is None else CaseCause.OPERATOR
    begin_case(staff, cause=cause, opened_by=_user(actor_id))


@receiver(staff_reactivated)
def cancel_the_case(*, staff_id: int, actor_id: int | None, **_: object) -> None:
    cancel_case_of(staff_id, actor=_user(actor_id))


@receiver(cases_due)
def hurry_the_cases(**_: object) -> None:
    transaction.on_commit(partial(wake, tasks.run_cases), robust=True)


@receiver(clock_heard)
def look_again_at_another_time(*, connection_id: int, **_: object) -> None:
    wake_what_waits(connection_id)


def _user(actor_id: int | None) -> User | None:
    return None if actor_id is None else User.objects.get(pk=actor_id)
