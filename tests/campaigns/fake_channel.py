"""A channel that does what the test says, and notes what it was asked."""

from campaigns.channels.protocol import Channel, Outcome, OutcomeStatus, Receipt
from campaigns.channels.registry import channel_for


class FakeChannel(Channel):
    can_send = True
    honours_key = True
    batch_limit = 1000
    call_timeout = 10.0

    def __init__(self):
        self.forget()

    def forget(self):
        self.sent = []  # envelopes, in order
        self.asked = []
        self.answers = []  # what the next calls do: an exception, or a function of the envelope
        self.word = None  # what a look-up says
        self.meanwhile = lambda envelope: None  # what happens during the call

    def send(self, envelope):
        self.sent.append(envelope)
        self.meanwhile(envelope)
        answer = self.answers.pop(0) if self.answers else delivered
        if isinstance(answer, Exception):
            raise answer
        return receipt_of(answer(envelope))

    def look_up(self, envelope):
        self.asked.append(envelope)
        if isinstance(self.word, Exception):
            raise self.word
        return receipt_of(self.word(envelope)) if self.word else None


class KeylessChannel(FakeChannel):
    honours_key = False


def receipt_of(answer):
    return answer if isinstance(answer, Receipt) else Receipt(answer)


def delivered(envelope):
    return tuple(
        Outcome(message.recipient_ref, OutcomeStatus.DELIVERED) for message in envelope.messages
    )


def nobody(envelope):
    return ()


CHANNELS = {
    "fake": "tests.campaigns.fake_channel.FakeChannel",
    "keyless": "tests.campaigns.fake_channel.KeylessChannel",
    "sandbox": "campaigns.channels.sandbox.SandboxChannel",
    "webhook": "campaigns.channels.webhook.WebhookChannel",
    "wecom": "campaigns.channels.wecom.WecomChannel",
}


def fake(kind="fake"):
    return channel_for(kind)
