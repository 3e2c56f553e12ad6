"""A platform that exists only here: what it is sent can be read on the outbox page.

It keeps its own ledger, in transactions of its own, as a real platform would.
"""

from __future__ import annotations

import time
from hashlib import blake2b

from django.db import connection, transaction

from campaigns.channels.protocol import Channel, Envelope, Outcome, OutcomeStatus, Receipt
from campaigns.models import MediaAsset, SandboxMessage
from campaigns.rules.attachments import assets_named
from campaigns.rules.contents import AttachmentKind

MAX_DELAY_SECONDS = 5.0

INSERT = """
INSERT INTO campaigns_sandboxmessage (channel_account_id, key, recipient_kind, recipient_ref, body)
SELECT %s, %s, %s, message.recipient_ref, message.body
FROM unnest(%s::text[], %s::text[]) AS message (recipient_ref, body)
ON CONFLICT ON CONSTRAINT sandbox_takes_a_key_once DO NOTHING
"""


class SandboxChannel(Channel):
    can_send = True
    honours_key = True
    batch_limit = 1000
    call_timeout = 10.0
    carries_attachments = True  # told by their names

    def send(self, envelope: Envelope) -> Receipt:
        time.sleep(min(envelope.account.delay_ms / 1000, MAX_DELAY_SECONDS))
        outcomes = {
            message.recipient_ref: outcome_for(envelope, message.recipient_ref)
            for message in envelope.messages
        }
        taken = [
            message
            for message in envelope.messages
            if outcomes[message.recipient_ref].status is OutcomeStatus.DELIVERED
        ]
        attached = attachment_lines(envelope)
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(
                INSERT,
                [
                    envelope.account.pk,
                    envelope.key,
                    envelope.recipient_kind,
                    [message.recipient_ref for message in taken],
                    [message.body + attached for message in taken],
                ],
            )
            if cursor.rowcount < len(taken):  # the key was used before: perhaps for more than now
                for ref in self.taken_refs(envelope):
                    outcomes[ref] = Outcome(ref, OutcomeStatus.DELIVERED)
        return Receipt(tuple(outcomes.values()))

    def look_up(self, envelope: Envelope) -> Receipt | None:
        taken = set(self.taken_refs(envelope))
        if not taken:
            return None
        asked = taken | {message.recipient_ref for message in envelope.messages}
        return Receipt(
            tuple(
                Outcome(ref, OutcomeStatus.DELIVERED)
                if ref in taken
                else outcome_for(envelope, ref)
                for ref in asked
            )
        )

    def taken_refs(self, envelope: Envelope) -> list[str]:
        ledger = SandboxMessage.objects.filter(channel_account=envelope.account, key=envelope.key)
        return list(ledger.values_list("recipient_ref", flat=True))


def attachment_lines(envelope: Envelope) -> str:
    """What goes with the text, as the outbox page can show it: a line for each."""
    if not envelope.attachments:
        return ""
    assets = MediaAsset.objects.filter(pk__in=assets_named(envelope.attachments))
    names = dict(assets.values_list("pk", "name"))
    lines = []
    for each in envelope.attachments:
        title = each.get("title") or names.get(int(each.get("asset") or 0), "")
        told = [title, each.get("url") or ""]
        lines.append(f"［{AttachmentKind(each['kind']).label}］{' '.join(filter(None, told))}")
    return "\n" + "\n".join(lines)


def outcome_for(envelope: Envelope, recipient_ref: str) -> Outcome:
    """The same for the same key and recipient, however often it is asked."""
    digest = blake2b(f"{envelope.key}/{recipient_ref}".encode(), digest_size=4).digest()
    if int.from_bytes(digest) % 100 < envelope.account.failure_percent:
        return Outcome(recipient_ref, OutcomeStatus.FAILED, "sandbox_failure")
    return Outcome(recipient_ref, OutcomeStatus.DELIVERED)
