"""The signature and the cipher of WeCom's callbacks (WeCom, page 90968).

SHA-1 over four sorted strings signs them; AES-256-CBC hides them, with the padding of PKCS#7 to a
multiple of 32 bytes, which libraries made for blocks of 16 do not undo.
"""

from __future__ import annotations

import binascii
import re
import secrets
from base64 import b64decode, b64encode
from functools import lru_cache
from hashlib import sha1
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

_AES_KEY = re.compile(r"[A-Za-z0-9]{43}", re.ASCII)
_BLOCK = 32
_RANDOM = 16
_LENGTH = 4


class CipherError(ValueError):
    """``reason`` says for our own log what was wrong; whoever sent the text is never told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_aes_key(text: str) -> bool:
    """Whether a text can be an EncodingAESKey: 43 letters and digits."""
    return _AES_KEY.fullmatch(text) is not None


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """The ``msg_signature`` of a callback, 40 lower-case hex digits."""
    parts = sorted(text.encode("utf-8", "surrogatepass") for text in (token, timestamp, nonce))
    parts.append(encrypted.encode("utf-8", "surrogatepass"))
    return sha1(b"".join(sorted(parts)), usedforsecurity=False).hexdigest()


def is_signed(claimed: str, *, token: str, timestamp: str, nonce: str, encrypted: str) -> bool:
    """Whether ``claimed`` is the signature, found out in the same time whatever it is."""
    right = signature(token, timestamp, nonce, encrypted)
    return compare_digest(right.encode(), claimed.encode("utf-8", "surrogatepass"))


def decrypt(aes_key: str, encrypted: str, receive_id: str) -> bytes:
    """The message, once it is known to be meant for ``receive_id`` (a self-built app: the corpid).

    Raises ``CipherError``.
    """
    try:
        cipher_text = b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):
        raise CipherError("not base64") from None
    if not cipher_text or len(cipher_text) % _RANDOM:
        raise CipherError("not whole blocks")
    decryptor = _cipher(aes_key).decryptor()
    return _message(decryptor.update(cipher_text) + decryptor.finalize(), receive_id)


def encrypt(
    aes_key: str, message: bytes | str, receive_id: str, *, random16: bytes | None = None
) -> str:
    """A message as the platform hides it, in base64. Tests fix the random bytes that begin it."""
    content = message.encode() if isinstance(message, str) else message
    start = secrets.token_bytes(_RANDOM) if random16 is None else random16
    plain = start + len(content).to_bytes(_LENGTH, "big") + content + receive_id.encode()
    pad = _BLOCK - len(plain) % _BLOCK
    encryptor = _cipher(aes_key).encryptor()
    return b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()


def _message(padded: bytes, receive_id: str) -> bytes:
    pad = padded[-1]
    if not 1 <= pad <= _BLOCK or padded[-pad:] != bytes([pad]) * pad:
        raise CipherError("bad padding")
    plain = padded[:-pad]
    start = _RANDOM + _LENGTH
    end = start + int.from_bytes(plain[_RANDOM:start], "big")
    if len(plain) < start or end > len(plain):
        raise CipherError("length runs past the end")
    if not compare_digest(plain[end:], receive_id.encode("utf-8", "surrogatepass")):
        raise CipherError("meant for somebody else")
    return plain[start:end]


@lru_cache(maxsize=512)
def _cipher(aes_key: str) -> Cipher[CBC]:
    if not is_aes_key(aes_key):
        raise CipherError("the EncodingAESKey is not 43 letters and digits")
    # the last of the 43 characters may carry bits beyond the 32 bytes: they are ignored
    key = b64decode(f"{aes_key}=")
    return Cipher(AES(key), CBC(key[:_RANDOM]))
