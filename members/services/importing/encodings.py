"""In which encoding a text file is written, told from its bytes."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from typing import IO

from django.utils.translation import gettext as _

from members.errors import UnreadableFile

UTF8 = "utf-8"
GB18030 = "gb18030"
ENCODINGS = (UTF8, GB18030)
BOM = codecs.BOM_UTF8

CHUNK = 1 << 20
SAMPLE_LINES = 20_000  # lines beyond ASCII that decide between the two
LINE_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Appearance:
    """What a file is, before a row of it is read."""

    digest: str
    size: int
    encoding: str


def look_at(file: IO[bytes]) -> Appearance:
    """Read a file once through: its digest, its size and its encoding."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(UTF8)()
    is_utf8, size = True, 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        if not size:
            _refuse_utf16(chunk)
        size += len(chunk)
        digest.update(chunk)
        is_utf8 = is_utf8 and _decodes(decoder, chunk)
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    return Appearance(digest.hexdigest(), size, UTF8 if is_utf8 else _prevailing(file))


def _refuse_utf16(head: bytes) -> None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile(_("文件是 UTF-16 编码，请另存为“CSV UTF-8”后再导入。"))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _prevailing(file: IO[bytes]) -> str:
    """The encoding of most lines that tell: a file may be put together from two."""
    votes = {UTF8: 0, GB18030: 0}
    file.seek(0)
    while sum(votes.values()) < SAMPLE_LINES and (line := file.readline(LINE_LIMIT)):
        if line.isascii():
            continue
        if is_surely_utf8(line):
            votes[UTF8] += 1
        elif decoded(line, GB18030) is not None:
            votes[GB18030] += 1
    return max(ENCODINGS, key=lambda name: votes[name])


def decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def is_surely_utf8(line: bytes) -> bool:
    """Whether a line is UTF-8 and hardly anything else.

    Two-byte sequences prove little: one Chinese character of GB18030 in five looks like one. A
    sequence of three (every Chinese character in UTF-8) practically never comes about by chance.
    """
    text = decoded(line, UTF8)
    return text is not None and any(character >= "\u0800" for character in text)
