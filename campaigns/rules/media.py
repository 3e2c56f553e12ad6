"""Which files messages can carry, judged by what is in them: a name says nothing.

Limits of the platform (WeCom, page 90253): pictures and videos of 10 MB, files of 20 MB, all of
more than 5 bytes.
"""

from __future__ import annotations

import re
import unicodedata

from campaigns.rules.contents import AttachmentKind

MEGABYTE = 1024 * 1024
MIN_BYTES = 6
MAX_BYTES = {
    AttachmentKind.IMAGE: 10 * MEGABYTE,
    AttachmentKind.VIDEO: 10 * MEGABYTE,
    AttachmentKind.FILE: 20 * MEGABYTE,
}
LARGEST = max(MAX_BYTES.values())
MAX_PIXELS = 20_000_000
MAX_NAME = 100

OLD_OFFICE = ("doc", "xls", "ppt")
PLAIN = ("txt", "csv")
MARKUP = (b"<script", b"<html", b"<!doctype", b"<svg", b"<?php")

CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
}
ANY_TYPE = "application/octet-stream"


def extension_of(data: bytes, *, name: str = "") -> str:
    """What kind of file it is, as an extension; "" for one that is not taken. Only where the
    bytes leave a choice between kinds of equal harmlessness, the name decides."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[4:8] == b"ftyp":
        return "mp4"
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return _office(data)
    given = name.rpartition(".")[2].lower()
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return given if given in OLD_OFFICE else ""
    return given if given in PLAIN and _is_plain(data) else ""


def kind_of_file(extension: str) -> AttachmentKind:
    if extension in {"jpg", "png"}:
        return AttachmentKind.IMAGE
    return AttachmentKind.VIDEO if extension == "mp4" else AttachmentKind.FILE


def clean_name(name: str, extension: str) -> str:
    """A name that people recognise and no program stumbles over, ending as the bytes say."""
    last = re.split(r"[/\\]", name)[-1]
    stem = last.rpartition(".")[0] or last
    kept = "".join(
        char
        for char in unicodedata.normalize("NFC", stem)
        if unicodedata.category(char)[0] != "C" and char not in '<>:"|?*'
    ).strip(" .")
    return f"{kept[: MAX_NAME - len(extension) - 1] or 'file'}.{extension}"


def content_type_of(name: str) -> str:
    return CONTENT_TYPES.get(name.rpartition(".")[2], ANY_TYPE)


def _office(data: bytes) -> str:
    """A document of Word, Excel or PowerPoint without macros; other archives are not taken."""
    if b"[Content_Types].xml" not in data or b"vbaProject.bin" in data:
        return ""
    for folder, extension in ((b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx")):
        if folder in data:
            return extension
    return ""


def _is_plain(data: bytes) -> bool:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    lowered = data.lower()
    return "\x00" not in text and not any(sign in lowered for sign in MARKUP)
