"""The document of a callback, with what nobody needs to read taken out."""

from __future__ import annotations

import re

_MOBILE = re.compile(
    r"(?<![0-9A-Za-z_-])(1[3-9][0-9])[0-9]{4}([0-9]{4})(?![0-9A-Za-z_-])", re.ASCII
)
_PRIVATE = re.compile(
    r"(<(Mobile|Telephone|Email|BizMail|Address)>)(?:<!\[CDATA\[)?[^<\]]*(?:\]\]>)?(</\2>)"
)
HIDDEN = "****"


def masked(document: str) -> str:
    """Mobile numbers keep their first three and last four digits; phone numbers, e-mails and
    addresses of colleagues disappear."""
    return _MOBILE.sub(rf"\1{HIDDEN}\2", _PRIVATE.sub(rf"\1{HIDDEN}\3", document))
