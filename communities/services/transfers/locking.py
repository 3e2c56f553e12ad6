"""A hand-over under lock, and whether this is the moment for a step."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable

from communities.errors import PlansAreBusy, TransferNotOpen, TransferReasonMissing
from communities.models import OwnershipTransfer
from scrm.accounts.models import User

PLANS = 0x5CA103  # advisory locks of plans: this and the enterprise
#: Below the time limit of a statement.
PATIENCE = "12s"


def locked_transfer(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    """For what lets go of things: the row alone is the lock."""
    seen = OwnershipTransfer.objects
    rows = seen.all() if actor is None else seen.visible_to(actor)
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=transfer_id)


def locked_plan(transfer_id: int, *, actor: User | None) -> OwnershipTransfer:
    """For what takes hold of things. Raises ``PlansAreBusy``."""
    home = OwnershipTransfer.objects.values_list("enterprise_id", flat=True).get(pk=transfer_id)
    with _patience():
        lock_plans_of(home)
        return locked_transfer(transfer_id, actor=actor)


def lock_plans_of(enterprise_id: int) -> None:
    """Plans of an enterprise are made one after the other, so that together they give nobody too
    much. Accounts are not locked: whoever leaves loses their access at once, and what was planned
    for them is set aside before it is sent."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [PLANS, enterprise_id % 2**31])


@contextmanager
def _patience() -> Iterator[None]:
    """A plan of tens of thousands of items takes seconds, and others wait for it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
            yield
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise PlansAreBusy(_("另一份转让方案正在计算，请稍后再试。")) from error


def refuse_unless(transfer: OwnershipTransfer, moments: Collection[str], why: str) -> None:
    """Refuse what is not possible in the status of the hand-over. Raises ``TransferNotOpen``."""
    if transfer.status not in moments:
        raise TransferNotOpen(
            _("这次转让“%(status)s”：%(why)s")
            % {"status": transfer.get_status_display(), "why": why},
            details={"status": transfer.status},
        )


def stated(reason: str, ask: str) -> str:
    """A reason that says something. Raises ``TransferReasonMissing``."""
    if not reason.strip():
        raise TransferReasonMissing(ask)
    return reason.strip()[:300]
