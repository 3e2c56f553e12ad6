"""Evidence photos: what is taken, judged by its bytes, and which are the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 30_000_000
MAX_SIDE = 2048  # of what is kept
UPLOADS_PER_AXIS = 3  # of one application

# --- which kind of file it is -------------------------------------------------------------------


class PhotoKind(StrEnum):
    """The names under which Pillow knows them."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"


#: Signs of a second file inside the first one. All are long enough not to turn up by chance.
FOREIGN = (b"<script", b"<!doctype", b"<html", b"<svg ", b"<iframe", b"<?php")
DOCUMENT, HEAD = b"%PDF-", 1100  # where readers look for the beginning of a document
ARCHIVE_END, TAIL = b"PK\x05\x06", 66_000  # where the end of an archive stands


def kind_of(data: bytes) -> PhotoKind | None:
    """What the first bytes say; the name of a file and its declared type say nothing."""
    if data.startswith(b"\xff\xd8\xff"):
        return PhotoKind.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PhotoKind.PNG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return PhotoKind.WEBP
    return None


def carries_something_else(data: bytes) -> bool:
    """Whether a browser or an unpacker could take the photo for another kind of file."""
    lowered = data.lower()
    return (
        any(sign in lowered for sign in FOREIGN)
        or DOCUMENT in data[:HEAD]
        or ARCHIVE_END in data[-TAIL:]
    )


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a WebP file, whose decoder sets aside its memory before
    it tells them. None when the header cannot be read."""
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") for at in (6, 8))
        return width & 0x3FFF, height & 0x3FFF
    return None


# --- the same picture ---------------------------------------------------------------------------

GRID = 9  # the picture is looked at as 9 by 9 grey values
STEP = 4.0  # grey levels that neighbours have to differ by to count
DOUBT = 1.5  # so near to the step, saving the picture again may tip the scale
MAX_DOUBTS = 8
MIN_TRAITS = 6  # a picture with less to see looks like every other plain one

type Sketch = int


def sketches(grey: Sequence[float]) -> list[Sketch]:
    """The picture as 144 bits: where it gets brighter to the right, and where downwards.

    ``grey`` are the values of the small picture, row by row. The first sketch is that of the
    picture itself; the others are what it may become when it is saved again or made smaller.
    None of a picture that is too plain to be told from others.
    """
    rises = [
        *(grey[i + 1] - grey[i] for i in range(GRID * GRID) if i % GRID < GRID - 1),
        *(grey[i + GRID] - grey[i] for i in range(GRID * (GRID - 1))),
    ]
    own = sum(1 << place for place, rise in enumerate(rises) if rise > STEP)
    if own.bit_count() < MIN_TRAITS:
        return []
    doubtful = sorted(
        (abs(rise - STEP), place) for place, rise in enumerate(rises) if abs(rise - STEP) < DOUBT
    )
    flips = [1 << place for _, place in doubtful[:MAX_DOUBTS]]
    return [
        own ^ sum(chosen)
        for count in range(len(flips) + 1)
        for chosen in combinations(flips, count)
    ]
