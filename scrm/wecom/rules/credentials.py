"""What the platform's console gives us, and what we give it, may look like."""

from __future__ import annotations

import re
import secrets
import string

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
TOKEN_LENGTH = 32
AES_KEY_LENGTH = 43
LARGEST_AGENT_ID = 2**31 - 1

_CORP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_USUAL_CORP_ID = re.compile(r"w[wx][0-9a-f]{16}", re.ASCII)
_SECRET = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)


def is_corp_id(text: str) -> bool:
    return _CORP_ID.fullmatch(text) is not None


def is_usual_corp_id(text: str) -> bool:
    """Whether it looks as nearly all do: ``ww`` and 16 hex digits. Others exist."""
    return _USUAL_CORP_ID.fullmatch(text) is not None


def is_agent_id(number: int) -> bool:
    return 0 < number <= LARGEST_AGENT_ID


def is_app_secret(text: str) -> bool:
    return _SECRET.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether a text can be the Token of a callback: up to 32 letters and digits."""
    return _TOKEN.fullmatch(text) is not None


def new_callback_key() -> str:
    """The part of our address that nobody can guess, 43 characters."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    return _random(TOKEN_LENGTH)


def new_aes_key() -> str:
    return _random(AES_KEY_LENGTH)


def _random(length: int) -> str:
    return "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(length))
