"""Addresses under which a reviewer sees a photo for a few minutes."""

from __future__ import annotations

from django.core import signing
from django.urls import reverse

SALT = "members.evidence.photo"
VALID_SECONDS = 300


def photo_path(evidence_id: int, *, user_id: int) -> str:
    """Good for five minutes and for this user, who still has to be allowed to see the photo."""
    token = signing.dumps([evidence_id, user_id], salt=SALT)
    return reverse("evidence-photo", args=[token])


def read_token(token: str) -> tuple[int, int] | None:
    """The ids of the evidence and of the user; None when it is forged or too old."""
    try:
        evidence_id, user_id = signing.loads(token, salt=SALT, max_age=VALID_SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    return evidence_id, user_id
