"""Telling the company's server what happened, or failing to on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from scrm.wecom.rules.callback_crypto import is_aes_key
from scrm.wecom.simulator.callbacks import Callback, Receiver, document, url_check
from scrm.wecom.simulator.outbox import Outbox
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.state import State, verb

VERIFY_WITHIN = 5.0  # the platform grants one second; a development server may just be starting
TOKEN_LENGTH = 32


@dataclass(kw_only=True)
class Announcing(State):
    receiver: Receiver | None = None
    outbox: Outbox = field(default_factory=Outbox)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.outbox.settings = self.settings
        self.outbox.tick = self.settle

    def set_callback(self, url: str, token: str, aes_key: str, *, verify: bool = True) -> None:
        """Where events go from now on. Raises Refused(40057) if the URL does not verify."""
        if not is_aes_key(aes_key) or not (token.isalnum() and len(token) <= TOKEN_LENGTH):
            raise Refused(40057)
        receiver = Receiver(url, token, aes_key, self.corp_id, self.agent_id)
        if verify:
            self._verify(receiver)
        self._receive_at(receiver)

    @verb
    def remove_callback(self) -> None:
        self.receiver = None

    @verb
    def _receive_at(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.outbox.start()

    @staticmethod
    def _verify(receiver: Receiver) -> None:
        query, plain = url_check(receiver)
        try:
            response = httpx.get(receiver.url, params=query, timeout=VERIFY_WITHIN)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Refused(40057, f"callback url verify failed: {type(error).__name__}") from None
        if response.status_code != httpx.codes.OK or response.content != plain.encode():
            raise Refused(40057, f"callback url verify failed: http {response.status_code}")

    def announce(
        self, event: str, *elements: tuple[str, Any], at: int | None = None, subject: str = ""
    ) -> None:
        """Make a callback of it, unless it gets lost; the faults decide when it is sent."""
        if self.receiver is None:
            return
        made_at = self.clock.second() if at is None else at
        common = [
            ("ToUserName", self.corp_id),
            ("FromUserName", "sys"),
            ("CreateTime", made_at),
            ("MsgType", "event"),
            ("Event", event),
        ]
        named = dict(elements)
        callback = Callback(
            serial=self.next_serial(),
            made_at=made_at,
            event=event,
            change_type=str(named.get("UpdateDetail") or named.get("ChangeType", "")),
            subject=subject,
            xml=document([*common, *elements]),
            receiver=self.receiver,
        )
        self._entrust(callback)

    def _entrust(self, callback: Callback) -> None:
        faults, chance = self.faults, self.faults.chance
        if faults.happens(faults.drop):
            self.outbox.note(callback, 0, "lost")
            return
        after = 0.0
        if faults.happens(faults.reorder):
            after = chance.uniform(0.1, 1.5)
        if faults.happens(faults.delay):
            after += chance.uniform(0.5, 1.0) * faults.delay_seconds
        self.outbox.put(callback, after=after)
        if faults.happens(faults.duplicate):
            self.outbox.put(callback, after=after + chance.uniform(0.0, 2.0))
