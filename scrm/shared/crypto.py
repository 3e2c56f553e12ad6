"""Secrets and personal data at rest: encrypted with rotating keys, found by a keyed digest.

``PII_KEYS`` are Fernet keys: the first one encrypts, every one decrypts. To rotate, put a new key
first and keep the old one until everything has been written again. The key of the digests is
derived from the **last** key, so that a rotation leaves digests findable.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models


class Unreadable(ValueError):
    """A value that none of the configured keys can decrypt."""


def encrypt(plain: str) -> str:
    return _box(_keys()).encrypt(plain.encode()).decode("ascii")


def decrypt(sealed: str) -> str:
    try:
        return _box(_keys()).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable("None of PII_KEYS can decrypt this value.") from error


def reencrypt(sealed: str) -> str:
    """The same value under the newest key."""
    try:
        return _box(_keys()).rotate(sealed.encode()).decode("ascii")
    except InvalidToken as error:
        raise Unreadable("None of PII_KEYS can decrypt this value.") from error


def lookup_digest(plain: str, *, purpose: str, enterprise_id: int) -> str:
    """A digest to find a row by a value that is stored encrypted.

    It differs per purpose and enterprise, so that equal values cannot be matched across them.
    """
    message = f"{purpose}\0{enterprise_id}\0{plain}".encode()
    return hmac.new(_digest_key(_keys()[-1]), message, hashlib.sha256).hexdigest()


def _keys() -> tuple[str, ...]:
    return tuple(settings.PII_KEYS)


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


@lru_cache(maxsize=4)
def _digest_key(key: str) -> bytes:
    return hmac.new(base64.urlsafe_b64decode(key), b"scrm lookup digest", hashlib.sha256).digest()


class EncryptedTextField(models.TextField[Any, Any]):
    """Text that the database only ever sees encrypted; the empty text stays empty.

    Equal texts encrypt differently, so it can be neither searched nor ordered by: keep a
    ``lookup_digest`` beside it for that.
    """

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def from_db_value(
        self, value: str | None, expression: object, connection: object
    ) -> str | None:
        return decrypt(value) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be looked up.")
        return super().get_lookup(lookup_name)
