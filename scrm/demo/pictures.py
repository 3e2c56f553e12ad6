"""Photos of pets that nobody took: drawn, each a little different."""

from __future__ import annotations

import io
from random import Random

from PIL import Image, ImageDraw, ImageFilter

SIZE = (720, 540)
QUALITY = 88
FURS = {
    "golden": ("#d9a45b", "#f1d6a5"), "corgi": ("#d2873f", "#fdf6ec"),
    "poodle": ("#8a5a3c", "#a9744f"), "collie": ("#2f2f33", "#f5f5f2"),
    "british": ("#7d8794", "#a4aeb9"), "ragdoll": ("#efe6da", "#8d7868"),
    "american": ("#8f8779", "#5a5348"), "orange": ("#e08a35", "#f7dcb6"),
}  # fmt: skip
CATS = frozenset({"british", "ragdoll", "american", "orange"})
POINTED = CATS | {"corgi"}  # ears that stand up
GROUNDS = ("#cfe3d4", "#dfe7f2", "#f3e3d3", "#e9dff0", "#d9ecec", "#f2ead0")

type Box = tuple[float, float, float, float]


def pet_photo(breed: str, *, seed: str, quality: int = QUALITY) -> io.BytesIO:
    """A JPEG of a pet of this breed; the same seed gives the same picture."""
    random = Random(f"{breed}:{seed}")
    picture = Image.new("RGB", SIZE, random.choice(GROUNDS))
    draw = ImageDraw.Draw(picture)
    _room(draw, random)
    picture = picture.filter(ImageFilter.GaussianBlur(6))
    _pet(ImageDraw.Draw(picture), breed, random)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    file.seek(0)
    return file


def _room(draw: ImageDraw.ImageDraw, random: Random) -> None:
    """A floor, and things that stand about."""
    horizon = random.randint(300, 380)
    draw.rectangle((0, horizon, *SIZE), fill=random.choice(("#b99b78", "#a8b48f", "#c9c2b8")))
    for _ in range(9):
        x, y, size = random.randint(0, 720), random.randint(0, 500), random.randint(30, 130)
        colour = tuple(random.randint(150, 225) for _ in range(3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x - size, y - size * 0.6, x + size, y + size * 0.6), fill=colour)


def _pet(draw: ImageDraw.ImageDraw, breed: str, random: Random) -> None:
    fur, light = FURS[breed]
    x, y = 360 + random.randint(-110, 110), 260 + random.randint(-30, 40)
    r = random.randint(105, 150)
    draw.ellipse(_around(x, y + r * 1.55, r * 1.15, r * 1.1), fill=fur)  # the body
    draw.ellipse(_around(x, y + r * 1.6, r * 0.6, r * 0.8), fill=light)
    _ears(draw, x, y, r, fur, light, are_pointed=breed in POINTED)
    draw.ellipse(_around(x, y, r, r * 0.92), fill=fur)
    draw.ellipse(_around(x, y + r * 0.38, r * 0.52, r * 0.42), fill=light)  # the muzzle
    for side in (-1, 1):
        eye = x + side * r * 0.4
        draw.ellipse(_around(eye, y - r * 0.08, r * 0.15, r * 0.17), fill="#1f1a17")
        draw.ellipse(_around(eye + r * 0.05, y - r * 0.14, r * 0.05, r * 0.05), fill="white")
    draw.ellipse(_around(x, y + r * 0.22, r * 0.13, r * 0.09), fill="#3b2a26")
    draw.arc(_around(x, y + r * 0.42, r * 0.2, r * 0.16), 10, 170, fill="#3b2a26", width=5)
    if breed in CATS:
        for side in (-1, 1):
            for lift in (-0.06, 0.06, 0.18):
                start = (x + side * r * 0.25, y + r * 0.34)
                draw.line((*start, x + side * r * 1.05, y + r * (0.3 + lift)), "#f7f3ee", 3)


def _ears(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    r: float,
    fur: str,
    light: str,
    *,
    are_pointed: bool,
) -> None:
    for side in (-1, 1):
        if are_pointed:
            tip = (x + side * r * 0.88, y - r * 1.3)
            base = ((x + side * r * 0.98, y - r * 0.2), (x + side * r * 0.25, y - r * 0.8))
            draw.polygon((base[0], tip, base[1]), fill=fur)
            draw.polygon(((base[0][0] * 0.98 + x * 0.02, y - r * 0.4), tip, base[1]), fill=light)
        else:
            draw.ellipse(_around(x + side * r * 0.95, y - r * 0.05, r * 0.32, r * 0.72), fill=fur)


def _around(x: float, y: float, width: float, height: float) -> Box:
    return (x - width, y - height, x + width, y + height)
