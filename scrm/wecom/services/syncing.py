"""Reading everything from the platform, step by step: start, cancel, and what is due."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.errors import refusing
from scrm.wecom.errors import SyncIsOver, SyncIsRunning
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import ConnectionState, SyncScope, SyncState
from scrm.wecom.services.connections import refuse_paused
from scrm.wecom.signals import sync_started

#: In the local time of each enterprise; not at a full or half hour, when everybody calls.
NIGHTLY_AT = time(3, 10)


@transaction.atomic
def start_sync(connection_id: int, *, scope: str, actor: User | None) -> SyncRun:
    """Begin to read. 409 ``sync_is_running`` while one runs, ``connection_is_paused`` when paused.

    ``scope`` is a value of ``SyncScope``.
    """
    connections = WecomConnection.objects.all()
    if actor is not None:
        connections = connections.visible_to(actor)
    connection = connections.select_for_update(no_key=True).get(pk=connection_id)
    refuse_paused(connection)
    with refusing(is_running(), constraint="one_running_sync_per_connection"):
        run = SyncRun.objects.create(
            enterprise_id=connection.enterprise_id,
            connection=connection,
            scope=SyncScope(scope),
            requested_by=actor,
        )
    if actor is not None:
        record_audit(actor, verb="start_sync", subject=run, after={"scope": run.scope})
    sync_started.send(sender=SyncRun, run_id=run.pk)
    return run


@transaction.atomic
def cancel_sync(run_id: int, *, actor: User) -> SyncRun:
    """Stop: the page that is being read is not written any more. What was written stays."""
    runs = SyncRun.objects.visible_to(actor).select_related("connection")
    run = runs.select_for_update(no_key=True, of=("self",)).get(pk=run_id)
    if run.state != SyncState.RUNNING:
        raise SyncIsOver(
            _("这次同步%(state)s，不能再取消。") % {"state": run.get_state_display()},
            details={"state": run.state},
        )
    run.state, run.token, run.finished_at = SyncState.CANCELLED, None, Now()
    run.save(update_fields=["state", "token", "finished_at"])
    run.refresh_from_db(fields=["finished_at"])
    record_audit(
        actor, verb="cancel_sync", subject=run, before={"state": SyncState.RUNNING}, after={}
    )
    return run


def start_nightly_syncs(now: datetime) -> int:
    """Start the full sync that is due once in each local day; returns how many were started.

    Whatever was started since its hour counts, by whom and with what end ever: a platform that
    refuses us is not asked again all day.
    """
    working = [ConnectionState.CONNECTED, ConnectionState.FAILING]
    connections = WecomConnection.objects.filter(state__in=working).select_related("enterprise")
    started = 0
    for connection in connections.iterator():
        since = nightly_hour(connection, now)
        if not runs_since(connection.pk, since):
            started += start_once(connection.pk, since=since)
    return started


def nightly_hour(connection: WecomConnection, now: datetime) -> datetime:
    """When the last nightly sync was due."""
    local = now.astimezone(connection.enterprise.zone)
    due = datetime.combine(local.date(), NIGHTLY_AT, tzinfo=local.tzinfo)
    if due > now:
        due = datetime.combine(local.date() - timedelta(days=1), NIGHTLY_AT, tzinfo=local.tzinfo)
    return due


@transaction.atomic
def start_once(connection_id: int, *, since: datetime) -> bool:
    """Two schedulers may find the same night due: the second sees the first one's run."""
    WecomConnection.objects.select_for_update(no_key=True).get(pk=connection_id)
    if runs_since(connection_id, since):
        return False
    start_sync(connection_id, scope=SyncScope.FULL, actor=None)
    return True


def runs_since(connection_id: int, since: datetime) -> bool:
    """Whether a full sync was begun since then, or one of another scope is still in the way."""
    runs = SyncRun.objects.filter(connection=connection_id)
    full = runs.filter(scope=SyncScope.FULL, started_at__gte=since)
    return full.exists() or runs.running().exists()


def waiting_syncs() -> list[int]:
    """Runs that somebody should go on with: new ones, those that waited their time out, and those
    whose worker died."""
    due = SyncRun.objects.running().filter(due_at__lte=Now())
    return list(due.order_by("due_at", "pk").values_list("pk", flat=True)[:100])


def is_running() -> SyncIsRunning:
    return SyncIsRunning(_("已有一个同步在进行，等它结束或先取消它。"))
