"""What the code of a join way looks like, and which requests are people scanning it."""

from __future__ import annotations

import re
import secrets

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without 0 o 1 i l: codes are read off posters
CODE_LENGTH = 7  # 27 thousand million codes: guessing finds nothing
CODE = re.compile(f"[{ALPHABET}]{{{CODE_LENGTH}}}")
MAX_CHATS_PER_REMOTE_CODE = 5  # of the platform's own join codes; ours may lead to more
MAX_WEIGHT = 1000
ROBOTS = re.compile(
    r"bot[/;)]|crawl|spider|slurp|preview|facebookexternalhit|curl/|wget/|python-requests|headless",
    re.IGNORECASE,
)


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def is_code(text: str) -> bool:
    return CODE.fullmatch(text) is not None


def is_scan(*, method: str, purpose: str, agent: str) -> bool:
    """Whether a request is a person's scan, not a robot's look or a page fetched in advance.

    ``purpose`` is what the browser says of it (Sec-Purpose, Purpose), ``agent`` its User-Agent.
    """
    if method != "GET":
        return False
    return "prefetch" not in purpose and "preview" not in purpose and not ROBOTS.search(agent)
