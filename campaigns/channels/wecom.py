"""WeCom, where a message to customers or groups goes out when a colleague taps it in the app."""

from __future__ import annotations

from campaigns.channels.protocol import Envelope, Outcome, Rejected


class WecomChannel:
    can_send = False
    honours_key = False
    batch_limit = 1
    call_timeout = 10.0

    def send(self, envelope: Envelope) -> tuple[Outcome, ...]:
        raise Rejected("channel_cannot_send")

    def look_up(self, envelope: Envelope) -> tuple[Outcome, ...] | None:
        return None
