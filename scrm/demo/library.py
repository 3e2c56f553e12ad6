"""The library of the made-up customer: contents at every stage, and pictures for them."""

from __future__ import annotations

from campaigns.models import Content as LibraryContent
from campaigns.models import ContentVersion, MediaAsset
from campaigns.rules.contents import ContentStatus
from campaigns.services.contents import (
    create_content,
    optimise_content,
    publish_content,
    retire_content,
    return_content,
    submit_content,
    write_version,
)
from campaigns.services.media import upload_media
from scrm.demo.contents import MEASURED, MEASURED_LEARNT, PIECES, Piece
from scrm.demo.founding import Founded
from scrm.demo.pictures import pet_photo

PICTURES = (("corgi", "柯基减重打卡"), ("golden", "金毛体检日"), ("british", "猫咪护理课"))
QUALITY = 70


def keep_pictures(founded: Founded) -> list[MediaAsset]:
    return [
        upload_media(
            actor=founded.users["yunying"],
            upload=pet_photo(breed, seed=name, quality=QUALITY),
            name=f"{name}.jpg",
        )
        for breed, name in PICTURES
    ]


def fill_the_library(founded: Founded) -> int:
    for piece in PIECES:
        bring_along(founded, piece)
    return len(PIECES)


def bring_along(founded: Founded, piece: Piece) -> None:
    """From the topic to where it stands: written by one, published by another."""
    author, reviewer = founded.users["yunying"], founded.users["shenhe"]
    content = create_content(
        actor=author,
        title=piece.title,
        category=piece.category,
        author_kind=piece.author_kind,
        brief=piece.brief,
    )
    for number, body in enumerate(piece.bodies, 1):
        write_version(content.pk, actor=author, body=body)
        if number < len(piece.bodies):
            submit_content(content.pk, actor=author)
            return_content(content.pk, actor=reviewer, reason=piece.returned)
    if piece.status in {ContentStatus.TOPIC, ContentStatus.DRAFTING}:
        return
    submit_content(content.pk, actor=author)
    if piece.status == ContentStatus.REVIEW:
        return
    publish_content(content.pk, actor=reviewer)
    if piece.status == ContentStatus.RETIRED:
        retire_content(content.pk, actor=author, reason="夏天过去了，明年重写。")


def version_of(founded: Founded, piece: Piece) -> ContentVersion:
    """The one that was published."""
    versions = ContentVersion.objects.filter(
        content__enterprise=founded.enterprise, content__title=piece.title
    )
    return versions.exclude(published_at=None).get()


def learn(founded: Founded) -> None:
    """From what was measured, for the next version."""
    measured = LibraryContent.objects.get(enterprise=founded.enterprise, title=MEASURED.title)
    optimise_content(measured.pk, actor=founded.users["yunying"], learnt=MEASURED_LEARNT)
