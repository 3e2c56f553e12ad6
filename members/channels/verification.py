"""The ways a one-time code reaches a phone, by settings.VERIFICATION."""

from __future__ import annotations

from typing import Protocol

from django.conf import settings

from scrm.shared.signed_http import OutcomeUnknown, Rejected, post_signed


class CodeChannel(Protocol):
    """Never called with a transaction open.

    ``shows_code``: the code is shown on the page instead, because nobody receives it.
    """

    shows_code: bool

    def send(self, *, phone: str, code: str, seconds: int, key: str) -> None:
        """Hand a code over, valid for ``seconds``. Raises a ``ChannelError``."""
        ...


class SandboxCodeChannel:
    """For trying the join page out: whoever looks at the page reads the code there."""

    shows_code = True

    def send(self, *, phone: str, code: str, seconds: int, key: str) -> None:
        return


class WebhookCodeChannel:
    """Our signed HTTP: the customer's own service sends the text message.

    It is posted ``{"type": "verification.send", "key": "…", "phone": "13800138000", "code":
    "012345", "valid_seconds": 300}`` and answers with any 2xx.
    """

    shows_code = False
    call_timeout = 6.0  # somebody waits in front of the page

    def send(self, *, phone: str, code: str, seconds: int, key: str) -> None:
        document: dict[str, object] = {
            "type": "verification.send",
            "key": key,
            "phone": phone,
            "code": code,
            "valid_seconds": seconds,
        }
        response, _ = post_signed(
            settings.VERIFICATION_URL,
            document,
            key=key,
            secret=settings.VERIFICATION_SECRET,
            timeout=self.call_timeout,
        )
        if response.is_server_error:
            raise OutcomeUnknown(f"http_{response.status_code}")
        if not response.is_success:
            raise Rejected(f"http_{response.status_code}")


def code_channel() -> CodeChannel | None:
    """None where nothing is set up: then nobody can prove a phone number."""
    match settings.VERIFICATION:
        case "sandbox":
            return SandboxCodeChannel()
        case "webhook":
            return WebhookCodeChannel()
        case _:
            return None
