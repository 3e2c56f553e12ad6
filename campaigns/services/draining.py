"""Sending a run: claim, look who may still be written to, render, hand over, record.

No transaction is open while the channel talks. Killed at any line, the lease runs out and another
worker repeats the dispatch with the same key, or asks the platform first if it honours none.
"""

from __future__ import annotations

import logging
import random
import time
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _

from campaigns.errors import CannotMove
from campaigns.models import Dispatch
from campaigns.rules.rates import portion_size
from campaigns.rules.retry import LOST_BEFORE_CUTTING, MAX_BROKEN, MAX_LOST, backoff, part_size
from campaigns.services.claiming import Claim, begin_call, claim_dispatch, give_back
from campaigns.services.controlling import halt_broadcast
from campaigns.services.cutting import cut_dispatch
from campaigns.services.finishing import (
    abandon_run,
    finish_what_is_done,
    settle_cancelled,
    stop_what_still_awaits,
)
from campaigns.services.freezing import Freezing, freeze_step, runs_to_freeze
from campaigns.services.handing_over import Answered, NeverArrived, NotNow, ask, hand_over
from campaigns.services.holding import hold_run
from campaigns.services.preparing import Prepared, prepare
from campaigns.services.rates import return_tokens, seconds_until_tokens
from campaigns.services.sending import Sending
from campaigns.services.settling import cancel_all, close, fail_all, fits_into_lease, record, settle
from scrm.shared.errors import DomainError

logger = logging.getLogger(__name__)

SLICE_SECONDS = 3.0
#: While nothing but tokens is waited for, other accounts are looked after this often.
LOOK_AGAIN_SECONDS = 0.1
FREEZE_AGAIN_SECONDS = 0.5
LOOK_NO_SOONER_SECONDS = 0.005  # another worker was quicker


def drain_slice(*, seconds: float = SLICE_SECONDS) -> bool:
    """Freeze and send for a short while; whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    if _freeze_until(ends_at):
        return True
    sendings: dict[int, Sending] = {}
    freeze_at = time.monotonic() + FREEZE_AGAIN_SECONDS
    while time.monotonic() < ends_at:
        claim = claim_dispatch()
        if claim is not None:
            _deliver_or_put_aside(claim, sendings)
        elif not _wait_for_tokens():
            settle_cancelled()
            stop_what_still_awaits()
            finish_what_is_done()
            return False
        elif time.monotonic() >= freeze_at:
            _freeze_until(ends_at)
            freeze_at = time.monotonic() + FREEZE_AGAIN_SECONDS
    return True


def _wait_for_tokens() -> bool:
    wait = seconds_until_tokens()
    if wait is None:
        return False
    wait *= 0.8 + 0.4 * random.random()  # not all workers at the same moment
    time.sleep(min(max(wait, LOOK_NO_SOONER_SECONDS), LOOK_AGAIN_SECONDS))
    return True


def _freeze_until(ends_at: float) -> bool:
    """Whether the time was up first. A run that cannot be frozen does not stop the others."""
    for run_id in runs_to_freeze():
        try:
            freezing = Freezing.of(run_id)
            while freeze_step(freezing):
                if time.monotonic() >= ends_at:
                    return True
        except DomainError as refusal:
            abandon_run(run_id, reason=refusal.message)
        except (OperationalError, InterfaceError):
            if not connection.is_usable():
                raise
            logger.exception("A step of freezing failed.", extra={"run_id": run_id})
        except Exception:
            logger.exception("An audience cannot be frozen.", extra={"run_id": run_id})
    return False


def _deliver_or_put_aside(claim: Claim, sendings: dict[int, Sending]) -> None:
    """A dispatch that breaks us is tried a few times, with the others going on meanwhile."""
    try:
        if claim.run_id not in sendings:
            sendings[claim.run_id] = Sending.of(claim.run_id)
        deliver(claim, sendings[claim.run_id])
    except (OperationalError, InterfaceError):
        raise  # the database is away; the lease brings the dispatch back
    except Exception:
        logger.exception("A dispatch broke.", extra={"dispatch_id": claim.dispatch_id})
        _put_aside(claim)


def _put_aside(claim: Claim) -> None:
    """Later again; after a while in parts, if it was never handed over; in the end not at all."""
    count = len(claim.recipient_ids)
    if claim.attempt_count >= LOST_BEFORE_CUTTING and count > 1:
        size = part_size(count, tries=claim.attempt_count)
        if cut_dispatch(claim, size=size, code="worker_error", counted=True):
            return
    if claim.attempt_count < MAX_BROKEN:
        give_back(claim, wait=backoff(claim.attempt_count), code="worker_error", unknown=True)
        return
    fail_all(claim, _given_up(claim))


def deliver(claim: Claim, sending: Sending) -> None:
    """One dispatch from claim to result."""
    if claim.is_cancelled and not claim.may_have_arrived:
        cancel_all(claim)
    elif claim.lost_count > MAX_LOST + LOST_BEFORE_CUTTING:
        fail_all(claim, _given_up(claim))  # not even looking at it can be survived
    elif claim.is_cancelled:
        _close_or_wait(claim, sending, prepare(claim, sending))
    elif _must_wait(claim, sending) or _is_cut(claim, sending):
        return
    elif claim.lost_count >= MAX_LOST:
        if claim.may_have_arrived:
            _close_or_wait(claim, sending, prepare(claim, sending))
        else:
            fail_all(claim, "worker_error")
    else:
        _send(claim, sending, prepare(claim, sending))


def _send(claim: Claim, sending: Sending, prepared: Prepared) -> None:
    if not fits_into_lease(claim, sending):
        return
    unused = prepared.count - len(prepared.envelope.messages)
    account = prepared.envelope.account
    if unused and account.rate_per_second:
        return_tokens(account.pk, unused)
    if not prepared.envelope.messages and not claim.may_have_arrived:
        record(claim, sending, prepared, prepared.results)
        return
    if not begin_call(claim):
        return
    ask_first = claim.may_have_arrived and not sending.channel.honours_key
    settle(
        claim, sending, prepared, hand_over(sending.channel, prepared.envelope, ask_first=ask_first)
    )


def _close_or_wait(claim: Claim, sending: Sending, prepared: Prepared) -> None:
    if fits_into_lease(claim, sending):
        close(claim, sending, prepared)


def _must_wait(claim: Claim, sending: Sending) -> bool:
    """Whether the whole run may not go on now."""
    if sending.is_as_approved and sending.hold_until is None:
        return False
    give_back(claim, wait=timedelta(0), code="", unknown=claim.may_have_arrived, counted=False)
    if sending.hold_until is not None and sending.is_as_approved:
        hold_run(claim.run_id, sending.hold_until, reason="quiet_hours")
        return True
    try:
        halt_broadcast(
            sending.broadcast_id,
            actor=None,
            code="contents_changed",
            reason=_("批准之后内容、人群或违禁词有变，已停止发送。请重新写一条并提交审批。"),
        )
    except CannotMove:
        logger.info("A broadcast stopped by itself.", extra={"run_id": claim.run_id})
    return True


def _is_cut(claim: Claim, sending: Sending) -> bool:
    """Whether the dispatch was cut: too large for its account, or one of it silences workers."""
    count = len(claim.recipient_ids)
    account = sending.mailing.account
    if claim.is_oversized and account.rate_per_second:
        size = portion_size(account.rate_per_second, account.rate_burst)
        return count > size and cut_dispatch(claim, size=size, code="")
    if not claim.was_lost or claim.lost_count < LOST_BEFORE_CUTTING or count == 1:
        return False
    if not claim.may_have_arrived:
        size = part_size(count, tries=claim.lost_count)
        return cut_dispatch(claim, size=size, code="worker_error")
    return _is_cut_by_word(claim, sending)


def _is_cut_by_word(claim: Claim, sending: Sending) -> bool:
    """What a lost worker may have handed over is cut only if the platform never got it."""
    prepared = prepare(claim, sending)
    if not fits_into_lease(claim, sending):
        return True
    match ask(sending.channel, prepared.envelope):
        case NeverArrived():
            size = part_size(len(claim.recipient_ids), tries=claim.lost_count)
            cut_dispatch(claim, size=size, code="worker_error", never_arrived=True)
        case Answered() as answered:
            settle(claim, sending, prepared, answered)
        case NotNow(code):
            give_back(claim, wait=backoff(claim.attempt_count), code=code, unknown=True)
        case _:
            return False
    return True


def _given_up(claim: Claim) -> str:
    """What is said of those whose dispatch nobody survives, or everybody stumbles over."""
    called = Dispatch.objects.values_list("attempted_at", flat=True).get(pk=claim.dispatch_id)
    return "worker_error" if called is None else "outcome_unknown"
