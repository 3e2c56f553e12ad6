"""Making one call ready: who of a dispatch is still to be written to, and what they are told."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from campaigns.channels.protocol import Envelope, Message, Outcome, OutcomeStatus
from campaigns.rules.status import DeliveryStatus
from campaigns.rules.templates import CannotRender
from campaigns.selectors.recipients import Mailing, Recipient, load_recipients, refs_of
from campaigns.services.claiming import Claim, Result
from campaigns.services.handing_over import Answered
from campaigns.services.sending import Sending

logger = logging.getLogger(__name__)

DELIVERED = Result(DeliveryStatus.DELIVERED.value)
AWAITING = Result(DeliveryStatus.AWAITING_OWNER.value)


@dataclass
class Prepared:
    """A dispatch as it stands now: who gets a text, and who gets none for what reason."""

    envelope: Envelope
    ids: dict[str, int]  # the recipient behind each ref
    results: dict[int, Result]  # what is known before the call
    community_ids: set[int]  # of those who get a text
    count: int


def prepare(claim: Claim, sending: Sending) -> Prepared:
    """Who left since the audience was frozen, or may not be written to, is suppressed; who cannot
    be rendered fails alone."""
    mailing = sending.mailing_of(claim.arm)
    present = load_recipients(mailing, claim.recipient_ids, sending.guards)
    nobody_sends = sending.channel.one_sender and not claim.sender
    ids: dict[str, int] = {}
    results: dict[int, Result] = {}
    messages = []
    community_ids = set()
    for recipient in present:
        ids[recipient.ref] = recipient.pk
        if recipient.refusal:
            results[recipient.pk] = suppressed(recipient.refusal)
        elif nobody_sends:
            results[recipient.pk] = suppressed("no_sender")
        elif (body := _rendered(mailing, recipient, results)) is not None:
            messages.append(Message(recipient.ref, body))
            community_ids.add(recipient.community_id)
    if len(present) < len(claim.recipient_ids):
        _note_absent(claim, mailing, ids, results)
    envelope = Envelope(
        claim.key,
        mailing.account,
        mailing.recipient_kind,
        tuple(messages),
        sender=claim.sender,
        attachments=sending.attachments,
        attempted_at=claim.attempted_at,
    )
    return Prepared(envelope, ids, results, community_ids, len(claim.recipient_ids))


def _note_absent(
    claim: Claim, mailing: Mailing, ids: dict[str, int], results: dict[int, Result]
) -> None:
    found = set(ids.values())
    gone = [pk for pk in claim.recipient_ids if pk not in found]
    results |= dict.fromkeys(gone, suppressed(mailing.reason_when_absent))
    if claim.may_have_arrived:  # an earlier call may have reached them
        ids |= refs_of(mailing, gone)


def _rendered(mailing: Mailing, recipient: Recipient, results: dict[int, Result]) -> str | None:
    try:
        return mailing.render(recipient)
    except CannotRender as error:
        results[recipient.pk] = failed(error.code)
    except Exception:  # one poisoned recipient must not stop the others
        logger.exception("A text cannot be rendered.", extra={"recipient_id": recipient.pk})
        results[recipient.pk] = failed("render_error")
    return None


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


def suppressed(code: str) -> Result:
    return Result(DeliveryStatus.SUPPRESSED.value, code)


def all_failed(claim: Claim, prepared: Prepared, code: str) -> dict[int, Result]:
    results = dict.fromkeys(claim.recipient_ids, failed(code))
    return results | prepared.results
