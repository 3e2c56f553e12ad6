import io

import pytest
from PIL import Image

from members.errors import BadPhoto
from members.rules.photos import MAX_BYTES, MAX_SIDE
from members.services.photos import clean_photo
from tests.members.pictures import (
    animated,
    encoded,
    jpeg,
    photo_from_a_phone,
    picture,
    png_that_claims,
    webp_that_claims,
)


def cleaned(data):
    return clean_photo(io.BytesIO(data))


def refusal_of(data):
    with pytest.raises(BadPhoto) as refused:
        cleaned(data)
    assert refused.value.field == "photo"
    assert refused.value.message
    return refused.value.code


# --- what is taken ---


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {}),
        ("MPO", "RGB", {}),
    ],
)
def test_every_usual_photo_becomes_a_plain_jpeg(kind, mode, options):
    photo = cleaned(encoded(picture().convert(mode), kind, **options))

    again = Image.open(io.BytesIO(photo.jpeg))
    assert (again.format, again.mode) == ("JPEG", "RGB")
    assert again.size == (photo.width, photo.height) == (640, 480)


def test_sixteen_bits_become_eight():
    photo = cleaned(encoded(Image.new("I;16", (40, 40), 32768), "PNG"))

    assert Image.open(io.BytesIO(photo.jpeg)).getpixel((5, 5)) == (128, 128, 128)


def test_what_is_transparent_becomes_white():
    photo = cleaned(encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"))

    assert Image.open(io.BytesIO(photo.jpeg)).getpixel((5, 5)) == (255, 255, 255)


def test_a_large_photo_is_kept_small():
    photo = cleaned(encoded(picture(size=(4000, 3000))))

    assert (photo.width, photo.height) == (MAX_SIDE, MAX_SIDE * 3 // 4)


def test_a_photo_stands_upright_and_says_nothing_of_where_it_was_taken():
    raw = photo_from_a_phone()
    assert b"Zhang San" in raw

    photo = cleaned(raw)

    kept = Image.open(io.BytesIO(photo.jpeg))
    assert (photo.width, photo.height) == (480, 640)
    assert not kept.getexif()
    assert not set(kept.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    for secret in (b"Exif", b"Zhang San", b"taken at home", b"GPS"):
        assert secret not in photo.jpeg


# --- what is refused, and as what ---


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "photo_empty", id="nothing"),
        pytest.param(b"<html><script>alert(1)</script>", "not_a_photo", id="a page"),
        pytest.param(
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
            "not_a_photo",
            id="svg with a script",
        ),
        pytest.param(b"%PDF-1.7 ...", "not_a_photo", id="pdf"),
        pytest.param(b"\xff\xd8\xff", "photo_damaged", id="three bytes of a jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "photo_damaged", id="the head of a png"),
        pytest.param(b"RIFF\x00\x00\x00\x00WEBP", "photo_damaged", id="the head of a webp"),
        pytest.param(webp_that_claims(100, 100), "photo_damaged", id="webp without a picture"),
        pytest.param(png_that_claims(30, 20), "photo_damaged", id="smaller than it is"),
        pytest.param(png_that_claims(5000, 5000), "photo_damaged", id="larger than it is"),
        pytest.param(png_that_claims(0, 100), "photo_damaged", id="no width"),
    ],
)
def test_what_is_no_photo_is_refused(data, code):
    assert refusal_of(data) == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_half_a_photo_is_refused(kind):
    data = encoded(picture(), kind)

    assert refusal_of(data[: len(data) // 2]) == "photo_damaged"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("PNG", "photo_animated"), ("WEBP", "photo_animated"), ("GIF", "not_a_photo")],
)
def test_moving_pictures_are_refused(kind, code):
    assert refusal_of(animated(kind)) == code


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(Image.new("1", (8000, 5000)), "PNG"), id="40 megapixels"),
        pytest.param(encoded(Image.new("1", (20000, 20000)), "PNG"), id="400 megapixels"),
        pytest.param(png_that_claims(50_000, 50_000), id="a header that lies"),
        pytest.param(webp_that_claims(16_000, 16_000), id="a header alone"),
    ],
)
def test_a_bomb_is_refused_before_it_is_decoded(data):
    assert len(data) < 100_000
    assert refusal_of(data) == "photo_too_many_pixels"


def test_too_many_bytes_are_refused():
    assert refusal_of(jpeg() + b"0" * MAX_BYTES) == "photo_too_large"


@pytest.mark.parametrize(
    "tail",
    [b"<html><body>", b"<SCRIPT src=//evil>", b"<?php system(1);", b"PK\x05\x06" + b"\0" * 18],
)
def test_a_photo_with_something_else_in_it_is_refused(tail):
    assert refusal_of(jpeg() + tail) == "photo_carries_more"


def test_a_photo_that_is_also_a_document_is_refused():
    data = jpeg()

    assert refusal_of(data[:20] + b"\xff\xfe\x00\x0a%PDF-1.7" + data[20:]) == "photo_carries_more"


# --- the same picture ---


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda image: encoded(image, quality=50), id="saved again"),
        pytest.param(lambda image: encoded(image, "PNG"), id="as a png"),
        pytest.param(lambda image: encoded(image, "WEBP", quality=60), id="as a webp"),
        pytest.param(lambda image: encoded(image.resize((320, 240))), id="made smaller"),
    ],
)
def test_a_photo_is_known_again(again):
    for seed in range(5):
        image = picture(seed)
        first = cleaned(encoded(image, quality=92)).sketches[0]

        assert first in cleaned(again(image)).sketches


def test_different_photos_are_told_apart():
    firsts = {cleaned(jpeg(seed)).sketches[0] for seed in range(20)}

    assert len(firsts) == 20
    assert not any(firsts & set(cleaned(jpeg(seed)).sketches) for seed in range(20, 30))


def test_a_picture_of_nothing_is_not_recognised():
    assert cleaned(encoded(Image.new("RGB", (300, 300), "white"))).sketches == []
