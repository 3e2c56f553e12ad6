"""QR codes as pictures. The same text and size give the same picture, byte for byte."""

from __future__ import annotations

from io import BytesIO

import segno

QUIET_ZONE = 4  # modules of white around, as the standard asks
DEFAULT_SIZE = 512
LEAST_SIZE, MOST_SIZE = 64, 2048


def qr_code(text: str) -> segno.QRCode:
    """Error correction M: a seventh of the picture may be dirty."""
    return segno.make_qr(text, error="m", boost_error=False)


def as_svg(text: str, *, size: int = DEFAULT_SIZE) -> bytes:
    """A drawing shown ``size`` pixels wide, sharp at any other size too."""
    code, out = qr_code(text), BytesIO()
    code.save(out, kind="svg", border=QUIET_ZONE, light="#fff", omitsize=True, xmldecl=False)
    drawing = out.getvalue()
    return drawing.replace(b"<svg ", b'<svg width="%d" height="%d" ' % (size, size), 1)


def as_png(text: str, *, size: int = DEFAULT_SIZE) -> bytes:
    """A picture of at most ``size`` pixels in width: every module is the same number of pixels."""
    code, out = qr_code(text), BytesIO()
    width, _ = code.symbol_size(border=QUIET_ZONE)
    code.save(out, kind="png", border=QUIET_ZONE, scale=max(1, size // width))
    return out.getvalue()
