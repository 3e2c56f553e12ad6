"""Photos as people send them, and files that only say they are photos. All are made here."""

import io
import random
import struct
import zlib

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageDraw


def picture(seed=1, size=(640, 480)):
    """Something to look at: no two seeds are alike."""
    dice = random.Random(seed)
    colours = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(192)]
    small = Image.new("RGB", (16, 12))
    small.putdata(colours)
    large = small.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    for _ in range(20):
        x, y, width = dice.randrange(size[0]), dice.randrange(size[1]), dice.randrange(10, 90)
        draw.ellipse([x, y, x + width, y + width], fill=colours[dice.randrange(192)])
    return large


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(seed=1, **options):
    return encoded(picture(seed), **options)


def animated(kind):
    return encoded(picture(1), kind, save_all=True, append_images=[picture(2)])


def photo_from_a_phone(orientation=6):
    """Lying on its side, with the place where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Phone of Zhang San"
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (31.0, 13.0, 49.0)
    return encoded(picture(5), exif=exif.tobytes(), comment=b"taken at home")


def png_that_claims(width, height):
    """A small picture under a header of another size, with the right checksum."""
    data = bytearray(encoded(picture(3, (64, 48)), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def webp_that_claims(width, height):
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + size
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def upload(data, name="photo.jpg"):
    return SimpleUploadedFile(name, data, content_type="image/jpeg")
