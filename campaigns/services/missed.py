"""Occurrences that were missed while nobody looked: each has a run that says so."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.errors import AlreadyDecided, CannotMove, ChannelIsOff
from campaigns.models import Broadcast, Run
from campaigns.rules.schedule import Judged
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.services.freezing import begin_run, cancel_early, early_run, is_early
from campaigns.services.moving import locked_broadcast, move_broadcast
from campaigns.services.occasions import take_occasions
from campaigns.signals import broadcast_started
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import open_task, settle_task, settle_tasks
from scrm.shared.clock import database_now


def note_skipped(broadcast: Broadcast, missed: Sequence[Judged]) -> None:
    """A row for each, so that nobody looks for what was never sent."""
    now = database_now()
    Run.objects.bulk_create(
        [
            Run(
                broadcast=broadcast,
                planned_for=one.slot,
                status=RunStatus.SKIPPED,
                status_reason=one.reason,
                finished_at=now,
            )
            for one in missed
        ],
        ignore_conflicts=True,  # the occurrence has its row
    )


def ask_about(broadcast: Broadcast, missed: Judged) -> Run:
    """Leave it to a person: whoever runs the broadcast is asked."""
    run = Run.objects.create(
        broadcast=broadcast,
        planned_for=missed.slot,
        status=RunStatus.ASKED,
        status_reason=missed.reason,
        content_version=broadcast.content_version,
    )
    open_task(
        TaskKind.BROADCAST_MISSED,
        subject=run,
        title=_("群发“%(name)s”错过了时间：补发还是不发？") % {"name": broadcast.name},
        details={"words": missed.reason},
        assignee=broadcast.author.staff,
    )
    return run


@transaction.atomic
def run_missed(run_id: int, *, actor: User) -> Run:
    """Send it now after all."""
    broadcast, run = _locked(run_id)
    if not broadcast.channel_account.is_active:
        name = broadcast.channel_account.name
        raise ChannelIsOff(_("渠道账号“%(name)s”已停用。") % {"name": name})
    settle_task(TaskKind.BROADCAST_MISSED, subject=run)
    if broadcast.status != BroadcastStatus.RUNNING:
        if _is_paused_by_hand(broadcast):
            raise CannotMove(_("群发已暂停，请先恢复，再决定错过的这一次。"))
        move_broadcast(broadcast, BroadcastStatus.RUNNING, verb="run_missed", actor=actor)
    begun = _begun(broadcast, run)
    take_occasions(begun)
    record_audit(actor, verb="run_missed", subject=begun, after={"status": begun.status})
    broadcast_started.send(sender=Broadcast, broadcast_id=broadcast.pk, run_id=begun.pk)
    return begun


@transaction.atomic
def skip_missed(run_id: int, *, actor: User) -> Run:
    """Leave it unsent."""
    broadcast, run = _locked(run_id)
    settle_task(TaskKind.BROADCAST_MISSED, subject=run)
    run.status, run.finished_at = RunStatus.SKIPPED, database_now()
    run.save(update_fields=["status", "finished_at"])
    record_audit(actor, verb="skip_missed", subject=run, after={"status": run.status})
    others = Run.objects.filter(broadcast=broadcast, status=RunStatus.ASKED)
    waits = broadcast.status == BroadcastStatus.PAUSED and not _is_paused_by_hand(broadcast)
    if waits and not others.exists():
        sent = Run.objects.filter(broadcast=broadcast, status=RunStatus.FINISHED).exists()
        move_broadcast(
            broadcast,
            BroadcastStatus.COMPLETED if sent else BroadcastStatus.CANCELLED,
            verb="skip_missed",
            actor=actor,
            status_reason=run.status_reason,
        )
        cancel_early(broadcast)
    return run


def drop_questions(broadcast_id: int) -> int:
    """Of a broadcast that was given up: nobody has to decide about it any more."""
    asked = Run.objects.filter(broadcast=broadcast_id, status=RunStatus.ASKED)
    settle_tasks(TaskKind.BROADCAST_MISSED, subjects=asked)
    return asked.update(status=RunStatus.SKIPPED, finished_at=Now())


def _locked(run_id: int) -> tuple[Broadcast, Run]:
    broadcast = locked_broadcast(Run.objects.only("broadcast_id").get(pk=run_id).broadcast_id)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if run.status != RunStatus.ASKED:
        raise AlreadyDecided(_("这一次已经有了决定。"))
    return broadcast, run


def _is_paused_by_hand(broadcast: Broadcast) -> bool:
    """Not because of what was missed: there is something else to go on with."""
    if broadcast.status != BroadcastStatus.PAUSED:
        return False
    begun = Run.objects.open().filter(broadcast=broadcast).exclude(is_early())
    return broadcast.scheduled_at is not None or begun.exists()


def _begun(broadcast: Broadcast, asked: Run) -> Run:
    """The run that was asked about, or the list that was frozen for it at its approval."""
    if early_run(broadcast) is not None:
        planned_for = asked.planned_for
        asked.delete()  # it holds the place of the frozen one
        return begin_run(broadcast, planned_for=planned_for)
    asked.status, asked.status_reason = RunStatus.FREEZING, ""
    asked.started_at = database_now()
    asked.save(update_fields=["status", "status_reason", "started_at"])
    return asked
