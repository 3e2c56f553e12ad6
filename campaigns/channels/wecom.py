"""WeCom, where a message to customers or groups goes out when a colleague taps it in the app."""

from __future__ import annotations

from campaigns.channels.protocol import Channel, Envelope, Receipt, Rejected


class WecomChannel(Channel):
    can_send = False
    honours_key = False
    batch_limit = 2000
    call_timeout = 10.0
    confirms = True
    one_sender = True
    one_text = True
    carries_attachments = True

    def send(self, envelope: Envelope) -> Receipt:
        raise Rejected("channel_cannot_send")

    def look_up(self, envelope: Envelope) -> Receipt | None:
        return None
