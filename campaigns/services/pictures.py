"""Looking at a picture before it is kept: judged by its bytes, freed of what it tells about who
took it where. One is decoded at a time in a process."""

from __future__ import annotations

import io
import struct
import zlib
from threading import Lock

from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from campaigns.errors import BadFile
from campaigns.rules.media import MAX_PIXELS
from members.rules.photos import carries_something_else

ORIENTATION = 0x0112
FORMATS = {"jpg": "JPEG", "png": "PNG"}
QUALITY = 92
#: What a picture needs to look right. Everything else in it is about somebody.
HARMLESS = ("icc_profile", "transparency")
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


def clean_picture(data: bytes, extension: str) -> bytes:
    """The same picture without place, device and comments; or a ``BadFile`` that says why not."""
    if carries_something_else(data):
        raise BadFile(_("图片文件里夹带了别的内容，请换一张。"))
    with _decoding:
        try:
            return _resaved(data, FORMATS[extension])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except BROKEN as error:
            raise BadFile(_("图片打不开，可能没有传完整，请重新上传。")) from error


def _resaved(data: bytes, kind: str) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(data), formats=[kind]) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _too_many_pixels()
        if getattr(picture, "is_animated", False) and kind == "PNG":
            raise BadFile(_("平台不支持动图，请换一张。"))
        upright: Image.Image = picture
        if picture.getexif().get(ORIENTATION, 1) != 1:
            upright = ImageOps.exif_transpose(picture)
        upright.load()
        upright.info = {key: upright.info[key] for key in HARMLESS if key in upright.info}
        untouched = upright.format == "JPEG"
        upright.save(file, kind, quality="keep" if untouched else QUALITY, exif=b"")
    return file.getvalue()


def _too_many_pixels() -> BadFile:
    limit = MAX_PIXELS // 10_000
    return BadFile(_("图片超过 %(limit)d 万像素，请缩小后再传。") % {"limit": limit})
