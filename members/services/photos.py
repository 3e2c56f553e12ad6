"""Reading a photo that a stranger sent: judged before it is decoded, kept without anything but
its picture.

No transaction is open meanwhile. One photo is decoded at a time in a process: the largest that is
taken needs some 600 MB.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from array import array
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from members.errors import (
    NotAPhoto,
    PhotoCarriesMore,
    PhotoIsAnimated,
    PhotoIsDamaged,
    PhotoIsEmpty,
    PhotoTooLarge,
    TooManyPixels,
)
from members.rules.photos import (
    GRID,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    PhotoKind,
    Sketch,
    carries_something_else,
    kind_of,
    sketches,
    webp_size,
)

QUALITY = 85
SIXTEEN_BITS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
#: What Pillow raises on files that are not what they say.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AttributeError,
    struct.error,
    zlib.error,
)
_decoding = Lock()


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A JPEG that holds a picture and nothing else, and what the original is recognised by."""

    jpeg: bytes
    width: int
    height: int
    original: str  # digest of the bytes that were sent
    sketches: list[Sketch]


def clean_photo(upload: BinaryIO) -> CleanPhoto:
    """Raises a ``BadPhoto`` that says what is wrong with the file."""
    data = upload.read(MAX_BYTES + 1)
    kind = _judge(data)
    with _decoding:
        try:
            picture = _picture(data, kind)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except BROKEN as error:
            raise PhotoIsDamaged(_("照片打不开，可能没有传完整，请重新上传。")) from error
        return CleanPhoto(
            jpeg=_as_jpeg(picture),
            width=picture.width,
            height=picture.height,
            original=hashlib.sha256(data).hexdigest(),
            sketches=_sketches(picture),
        )


def _judge(data: bytes) -> PhotoKind:
    if not data:
        raise PhotoIsEmpty(_("照片是空文件，请重新选择。"))
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 1024**2
        raise PhotoTooLarge(_("照片超过 %(limit)d MB，请压缩后再传。") % {"limit": limit})
    kind = kind_of(data)
    if kind is None:
        raise NotAPhoto(_("这不是 JPEG、PNG 或 WebP 照片，请换一张。"))
    if carries_something_else(data):
        raise PhotoCarriesMore(_("照片文件里夹带了别的内容，请换一张原图或截图。"))
    if kind is PhotoKind.WEBP:
        size = webp_size(data)
        if size is None:
            raise PhotoIsDamaged(_("照片打不开，可能没有传完整，请重新上传。"))
        _refuse_size(*size)
    return kind


def _picture(data: bytes, kind: PhotoKind) -> Image.Image:
    """The picture, upright, small and in plain colours, cut off from the file it came from."""
    with Image.open(io.BytesIO(data), formats=[kind]) as photo:
        _refuse_size(*photo.size)
        if kind is not PhotoKind.JPEG and getattr(photo, "is_animated", False):
            raise PhotoIsAnimated(_("动图不能作凭证，请换一张普通照片。"))
        photo.draft(None, (MAX_SIDE, MAX_SIDE))  # a large JPEG is not even decoded at full size
        photo.load()
        small = _unfolded(photo)
        small.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        upright = ImageOps.exif_transpose(small)
    if upright.mode in SIXTEEN_BITS:
        upright = upright.convert("I").point(lambda level: level * (1 / 256)).convert("L")
    if upright.mode in {"RGBA", "LA", "PA"}:
        upright = _on_white(upright.convert("RGBA"))
    clean = Image.new("RGB", upright.size)
    clean.paste(upright.convert("RGB"))
    return clean


def _refuse_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise PhotoIsDamaged(_("照片打不开，可能没有传完整，请重新上传。"))
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> TooManyPixels:
    limit = MAX_PIXELS // 10_000
    return TooManyPixels(_("照片超过 %(limit)d 万像素，请缩小后再传。") % {"limit": limit})


def _unfolded(photo: Image.Image) -> Image.Image:
    """With colours instead of places in a palette, which could not be mixed."""
    if photo.mode in {"1", "P", "PA"}:
        return photo.convert("RGBA" if "transparency" in photo.info else "RGB")
    return photo


def _on_white(picture: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture)


def _as_jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, PhotoKind.JPEG, quality=QUALITY, optimize=True)
    return file.getvalue()


def _sketches(picture: Image.Image) -> list[Sketch]:
    small = picture.convert("L").convert("F").resize((GRID, GRID), Image.Resampling.BOX)
    return sketches(array("f", small.tobytes()))
