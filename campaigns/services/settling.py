"""What follows from a verdict: the results are written, or the dispatch is given back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection

from campaigns.channels.registry import RECORDING_MARGIN
from campaigns.rules.retry import (
    ASK_FIRST_AFTER_SECONDS,
    MAX_ATTEMPTS,
    backoff,
    bounded_retry_after,
)
from campaigns.rules.status import DeliveryStatus, DispatchStatus
from campaigns.services.budgeting import keep_to_budget
from campaigns.services.claiming import NOT_NAMED, Claim, Result, Taken, give_back, record_results
from campaigns.services.handing_over import (
    Answered,
    NeverArrived,
    NotNow,
    Refused,
    Unknown,
    Verdict,
    ask,
)
from campaigns.services.holding import clear_trouble, hold_run, note_trouble
from campaigns.services.posting import note_posts
from campaigns.services.preparing import Prepared, all_failed, failed, results_of
from campaigns.services.sending import Sending

logger = logging.getLogger(__name__)

CANCELLED = Result(DeliveryStatus.CANCELLED.value)


def fits_into_lease(claim: Claim, sending: Sending) -> bool:
    """Whether a call can still end within the lease; if not, it is left to the next claim."""
    if claim.seconds_left >= sending.channel.call_timeout + RECORDING_MARGIN:
        return True
    give_back(claim, wait=timedelta(0), code="", unknown=claim.may_have_arrived, counted=False)
    return False


def settle(claim: Claim, sending: Sending, prepared: Prepared, verdict: Verdict) -> None:
    match verdict:
        case Answered():
            _note_told(sending, prepared)
            record(claim, sending, prepared, results_of(prepared, verdict), answered=verdict)
            if sending.is_troubled:
                clear_trouble(claim.run_id)
                sending.is_troubled = False
        case Refused(code):
            record(claim, sending, prepared, all_failed(claim, prepared, code), code=code)
        case NotNow(code, retry_after) if retry_after is not None:
            wait = bounded_retry_after(retry_after)
            give_back(claim, wait=wait, code=code, unknown=claim.may_have_arrived, counted=False)
            hold_run(claim.run_id, wait, reason=code)
        case NotNow(code) | Unknown(code) if claim.attempt_count >= MAX_ATTEMPTS:
            if isinstance(verdict, Unknown) or claim.may_have_arrived:
                code = "outcome_unknown"
            record(claim, sending, prepared, all_failed(claim, prepared, code), code=code)
        case NotNow(code) | Unknown(code):
            _try_later(claim, sending, code, unknown=isinstance(verdict, Unknown))


def _try_later(claim: Claim, sending: Sending, code: str, *, unknown: bool) -> None:
    sending.is_troubled = True
    wait = backoff(claim.attempt_count)
    if unknown and not sending.channel.honours_key:  # let it finish whatever it is doing first
        wait = max(wait, timedelta(seconds=claim.seconds_left))
    give_back(claim, wait=wait, code=code, unknown=unknown or claim.may_have_arrived)
    note_trouble(claim.run_id)


def close(claim: Claim, sending: Sending, prepared: Prepared) -> None:
    """Send no more; only learn, if the platform can tell, what became of the earlier call."""
    match ask(sending.channel, prepared.envelope):
        case Answered() as answered:
            _note_told(sending, prepared)
            record(claim, sending, prepared, results_of(prepared, answered), answered=answered)
        case NeverArrived() if claim.is_cancelled:
            cancel_all(claim)
        case NeverArrived():
            record(claim, sending, prepared, all_failed(claim, prepared, "gave_up"), code="gave_up")
        case NotNow(code) if claim.attempt_count < MAX_ATTEMPTS:
            give_back(claim, wait=backoff(claim.attempt_count), code=code, unknown=True)
        case _:
            results = all_failed(claim, prepared, "outcome_unknown")
            record(claim, sending, prepared, results, code="outcome_unknown")


def cancel_all(claim: Claim) -> None:
    results = dict.fromkeys(claim.recipient_ids, CANCELLED)
    _store(claim, results, status=DispatchStatus.CANCELLED)


def fail_all(claim: Claim, code: str) -> None:
    _store(claim, dict.fromkeys(claim.recipient_ids, failed(code)), code=code)


def record(
    claim: Claim,
    sending: Sending,
    prepared: Prepared,
    results: Mapping[int, Result],
    *,
    code: str = "",
    answered: Answered | None = None,
) -> None:
    """The results of a dispatch; what waits for somebody's word stays open and is asked about."""
    states = {result.status for result in results.values()}
    waits = DeliveryStatus.AWAITING_OWNER in states
    taken = NOT_NAMED
    if answered is not None:
        taken = Taken(answered.remote_id, answered.accepted_at, ASK_FIRST_AFTER_SECONDS)
    status = DispatchStatus.AWAITING if waits else DispatchStatus.DONE
    _store(claim, results, code=code, status=status, taken=taken)
    if sending.error_budget and DeliveryStatus.FAILED in states:
        keep_to_budget(claim.run_id)


def _note_told(sending: Sending, prepared: Prepared) -> None:
    if new := prepared.community_ids - sending.told:
        note_posts(sending.run_id, new)
        sending.told |= new


def _store(
    claim: Claim,
    results: Mapping[int, Result],
    *,
    code: str = "",
    status: DispatchStatus = DispatchStatus.DONE,
    taken: Taken = NOT_NAMED,
) -> None:
    """Until it is stored or the lease ends: a database that restarts costs no repetition."""
    stored = _persistently(
        claim,
        lambda: record_results(claim, results, code=code, status=status.value, taken=taken),
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
