"""Sending a run: claim, look who is still there, render, hand over, record.

No transaction is open while the channel talks. Killed at any line, the lease runs out and another
worker repeats the dispatch with the same key, or asks the platform first if it honours none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection

from campaigns.channels.protocol import Channel, Envelope, Message, Outcome, OutcomeStatus
from campaigns.channels.registry import RECORDING_MARGIN, channel_for
from campaigns.models import Run
from campaigns.rules.retry import MAX_ATTEMPTS, MAX_LOST, backoff, bounded_retry_after
from campaigns.rules.status import DeliveryStatus, DispatchStatus
from campaigns.rules.templates import CannotRender
from campaigns.selectors.recipients import Mailing, Recipient, load_recipients, refs_of
from campaigns.services.claiming import Claim, Result, claim_dispatch, give_back, record_results
from campaigns.services.finishing import abandon_run, finish_what_is_done, settle_cancelled
from campaigns.services.freezing import Freezing, freeze_step, runs_to_freeze
from campaigns.services.handing_over import (
    Answered,
    NeverArrived,
    NotNow,
    Refused,
    Unknown,
    Verdict,
    ask,
    hand_over,
)
from campaigns.services.holding import clear_trouble, hold_run, note_trouble
from scrm.shared.errors import DomainError

logger = logging.getLogger(__name__)

SLICE_SECONDS = 3.0

DELIVERED = Result(DeliveryStatus.DELIVERED.value)
AWAITING = Result(DeliveryStatus.AWAITING_OWNER.value)
CANCELLED = Result(DeliveryStatus.CANCELLED.value)


@dataclass
class Sending:
    """What the dispatches of one run share, read once per slice."""

    mailing: Mailing
    channel: Channel
    is_troubled: bool

    @classmethod
    def of(cls, run_id: int) -> Sending:
        run = Run.objects.select_related("broadcast__channel_account").get(pk=run_id)
        communities = dict(run.broadcast.communities.values_list("pk", "name"))
        return cls(
            mailing=Mailing.of(run.broadcast, communities=communities),
            channel=channel_for(run.broadcast.channel_account.kind),
            is_troubled=run.trouble_count > 0,
        )


@dataclass
class Prepared:
    """A dispatch as it stands now: who gets a text, and who gets none for what reason."""

    envelope: Envelope
    ids: dict[str, int]  # the recipient behind each ref
    results: dict[int, Result]  # what is known before the call
    count: int


def drain_slice(*, seconds: float = SLICE_SECONDS) -> bool:
    """Freeze and send for a short while; whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    if _freeze_until(ends_at):
        return True
    sendings: dict[int, Sending] = {}
    while time.monotonic() < ends_at:
        claim = claim_dispatch()
        if claim is None:
            settle_cancelled()
            finish_what_is_done()
            return False
        _deliver_or_put_aside(claim, sendings)
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
        if claim.attempt_count < MAX_LOST:
            give_back(claim, wait=backoff(claim.attempt_count), code="worker_error", unknown=True)
            return
        broken = dict.fromkeys(claim.recipient_ids, failed("worker_error"))
        _record(claim, broken, code="worker_error")


def deliver(claim: Claim, sending: Sending) -> None:
    """One dispatch from claim to result."""
    prepared = prepare(claim, sending.mailing)
    if claim.seconds_left < sending.channel.call_timeout + RECORDING_MARGIN:
        give_back(claim, wait=timedelta(0), code="", unknown=claim.was_leased, counted=False)
        return
    if claim.is_cancelled or claim.lost_count >= MAX_LOST:
        _close(claim, sending, prepared)
        return
    if not prepared.envelope.messages and not claim.was_leased:
        verdict: Verdict = Answered(())
    else:
        ask_first = claim.was_leased and not sending.channel.honours_key
        verdict = hand_over(sending.channel, prepared.envelope, ask_first=ask_first)
    _settle(claim, sending, prepared, verdict)


def prepare(claim: Claim, mailing: Mailing) -> Prepared:
    """Who left since the audience was frozen is suppressed; who cannot be rendered fails alone."""
    present = load_recipients(mailing, claim.recipient_ids)
    ids: dict[str, int] = {}
    results: dict[int, Result] = {}
    messages = []
    for recipient in present:
        ids[recipient.ref] = recipient.pk
        body = _rendered(mailing, recipient, results)
        if body is not None:
            messages.append(Message(recipient.ref, body))
    if len(present) < len(claim.recipient_ids):
        found = set(ids.values())
        gone = [pk for pk in claim.recipient_ids if pk not in found]
        results |= dict.fromkeys(
            gone, Result(DeliveryStatus.SUPPRESSED.value, mailing.reason_when_absent)
        )
        if claim.was_leased:  # an earlier call may have reached them
            ids |= refs_of(mailing, gone)
    envelope = Envelope(claim.key, mailing.account, mailing.recipient_kind, tuple(messages))
    return Prepared(envelope, ids, results, len(claim.recipient_ids))


def _rendered(mailing: Mailing, recipient: Recipient, results: dict[int, Result]) -> str | None:
    try:
        return mailing.render(recipient)
    except CannotRender as error:
        results[recipient.pk] = failed(error.code)
    except Exception:  # one poisoned recipient must not stop the others
        logger.exception("A text cannot be rendered.", extra={"recipient_id": recipient.pk})
        results[recipient.pk] = failed("render_error")
    return None


def _settle(claim: Claim, sending: Sending, prepared: Prepared, verdict: Verdict) -> None:
    match verdict:
        case Answered():
            _record(claim, results_of(prepared, verdict))
            if sending.is_troubled:
                clear_trouble(claim.run_id)
                sending.is_troubled = False
        case Refused(code):
            _record(claim, all_failed(claim, prepared, code), code=code)
        case NotNow(code, retry_after) if retry_after is not None:
            wait = bounded_retry_after(retry_after)
            give_back(claim, wait=wait, code=code, unknown=claim.was_leased, counted=False)
            hold_run(claim.run_id, wait)
        case NotNow(code) | Unknown(code) if claim.attempt_count >= MAX_ATTEMPTS:
            if isinstance(verdict, Unknown) or claim.was_leased:
                code = "outcome_unknown"
            _record(claim, all_failed(claim, prepared, code), code=code)
        case NotNow(code):
            sending.is_troubled = True
            wait = backoff(claim.attempt_count)
            give_back(claim, wait=wait, code=code, unknown=claim.was_leased)
            note_trouble(claim.run_id)
        case Unknown(code):
            sending.is_troubled = True
            wait = backoff(claim.attempt_count)
            if not sending.channel.honours_key:  # let it finish whatever it is doing first
                wait = max(wait, timedelta(seconds=claim.seconds_left))
            give_back(claim, wait=wait, code=code, unknown=True)
            note_trouble(claim.run_id)


def _close(claim: Claim, sending: Sending, prepared: Prepared) -> None:
    """Send no more; only learn, if the platform can tell, what became of the earlier call."""
    match ask(sending.channel, prepared.envelope):
        case Answered() as answered:
            _record(claim, results_of(prepared, answered))
        case NeverArrived() if claim.is_cancelled:
            results = dict.fromkeys(claim.recipient_ids, CANCELLED)
            _record(claim, results, status=DispatchStatus.CANCELLED)
        case NeverArrived():
            _record(claim, all_failed(claim, prepared, "gave_up"), code="gave_up")
        case NotNow(code) if claim.attempt_count < MAX_ATTEMPTS:
            give_back(claim, wait=backoff(claim.attempt_count), code=code, unknown=True)
        case _:
            results = all_failed(claim, prepared, "outcome_unknown")
            _record(claim, results, code="outcome_unknown")


def results_of(prepared: Prepared, answered: Answered) -> dict[int, Result]:
    """The platform's word wins: who left, but was reached by an earlier call, was reached."""
    results = prepared.results.copy()
    ids = prepared.ids
    for outcome in answered.outcomes:
        pk = ids.get(outcome.recipient_ref)
        if pk is not None:
            results[pk] = result_of(outcome)
    if len(results) < prepared.count:
        for message in prepared.envelope.messages:
            results.setdefault(ids[message.recipient_ref], failed("not_in_answer"))
    return results


def result_of(outcome: Outcome) -> Result:
    if outcome.status is OutcomeStatus.DELIVERED:
        return DELIVERED
    return AWAITING if outcome.status is OutcomeStatus.AWAITING else failed(outcome.code)


def failed(code: str) -> Result:
    return Result(DeliveryStatus.FAILED.value, code[:60])


def all_failed(claim: Claim, prepared: Prepared, code: str) -> dict[int, Result]:
    results = dict.fromkeys(claim.recipient_ids, failed(code))
    return results | prepared.results


def _record(
    claim: Claim,
    results: dict[int, Result],
    *,
    code: str = "",
    status: DispatchStatus = DispatchStatus.DONE,
) -> None:
    """Until it is stored or the lease ends: a database that restarts costs no repetition."""
    stored = _persistently(
        claim, lambda: record_results(claim, results, code=code[:60], status=status.value)
    )
    if not stored:
        logger.warning("A lease was lost.", extra={"dispatch_id": claim.dispatch_id})


def _persistently(claim: Claim, write: Callable[[], bool]) -> bool:
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or claim.seconds_left < 1:
                raise
            logger.warning(
                "The database is away; the results are kept and stored later.",
                extra={"dispatch_id": claim.dispatch_id},
            )
            connection.close()
            time.sleep(0.3)
