"""Takes every message at once and keeps nothing, so that what is measured is ours."""

from __future__ import annotations

from campaigns.channels.protocol import Channel, Envelope, Outcome, OutcomeStatus, Receipt


class NoOpChannel(Channel):
    can_send = True
    honours_key = True
    batch_limit = 1000
    call_timeout = 10.0

    def send(self, envelope: Envelope) -> Receipt:
        return Receipt(
            tuple(
                Outcome(message.recipient_ref, OutcomeStatus.DELIVERED)
                for message in envelope.messages
            )
        )

    def look_up(self, envelope: Envelope) -> Receipt | None:
        return None
