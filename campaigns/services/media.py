"""Keeping the files that messages carry. The same file is kept once."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.errors import BadFile, FileTooLarge
from campaigns.models import MediaAsset
from campaigns.models.content import content_storage
from campaigns.rules.contents import MEDIA_KINDS, AttachmentKind
from campaigns.rules.media import (
    LARGEST,
    MAX_BYTES,
    MEGABYTE,
    MIN_BYTES,
    clean_name,
    extension_of,
    kind_of_file,
)
from campaigns.services.pictures import clean_picture
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot

FIELDS = ("kind", "name", "size", "sha256")


def upload_media(*, actor: User, upload: BinaryIO, name: str, kind: str = "") -> MediaAsset:
    """Keep a file to be attached; one that is there already is given back.

    ``kind``: a picture or a video can also be sent as a file; without it, it is sent as what it
    is. Raises a ``BadFile`` for what the platform would not take. No transaction is open while
    the file is read and stored.
    """
    data = upload.read(LARGEST + 1)
    extension = extension_of(data, name=name)
    wanted = _kind(data, extension, kind)
    sha256 = hashlib.sha256(data).hexdigest()
    known = MediaAsset.objects.filter(
        enterprise=actor.enterprise_id, sha256=sha256, kind=wanted
    ).first()
    if known is not None:
        return known
    if wanted is AttachmentKind.IMAGE:
        data = clean_picture(data, extension)
        _refuse_size(data, wanted)
    path = _stored(data, f"{actor.enterprise_id}/{wanted.value}/{sha256}.{extension}")
    return _noted(
        actor, kind=wanted, name=clean_name(name, extension), path=path, data=data, sha256=sha256
    )


@transaction.atomic
def _noted(
    actor: User, *, kind: AttachmentKind, name: str, path: str, data: bytes, sha256: str
) -> MediaAsset:
    """Two uploads of one file at once make one row."""
    asset, is_new = MediaAsset.objects.get_or_create(
        enterprise_id=actor.enterprise_id,
        sha256=sha256,
        kind=kind,
        defaults={"name": name, "file": path, "size": len(data), "uploaded_by": actor},
    )
    if is_new:
        record_audit(actor, verb="upload_media", subject=asset, after=snapshot(asset, FIELDS))
    return asset


@transaction.atomic
def rename_media(asset_id: int, *, actor: User, name: str | None = None) -> MediaAsset:
    """What recipients see as the name of a file. None leaves it as it is."""
    asset = MediaAsset.objects.select_for_update(no_key=True).get(pk=asset_id)
    before = snapshot(asset, ["name"])
    if name is not None:
        asset.name = clean_name(name, str(asset.file.name).rpartition(".")[2])
    after = snapshot(asset, ["name"])
    if after == before:
        return asset
    asset.save(update_fields=["name"])
    record_audit(actor, verb="rename_media", subject=asset, before=before, after=after)
    return asset


def _kind(data: bytes, extension: str, kind: str) -> AttachmentKind:
    if len(data) < MIN_BYTES:
        raise BadFile(_("文件是空的，请重新选择。"))
    if not extension:
        raise BadFile(
            _(
                "不支持这种文件；可用：JPG、PNG、MP4、PDF、Word、Excel、PowerPoint（无宏）、TXT、CSV。"
            )
        )
    found = kind_of_file(extension)
    if kind and kind not in MEDIA_KINDS:
        raise BadFile(_("素材类型应是图片、视频或文件。"))
    wanted = AttachmentKind(kind) if kind else found
    if wanted not in {found, AttachmentKind.FILE}:
        raise BadFile(
            _("这个文件不是%(wanted)s，而是%(found)s。")
            % {"wanted": wanted.label, "found": found.label}
        )
    _refuse_size(data, wanted)
    return wanted


def _refuse_size(data: bytes, kind: AttachmentKind) -> None:
    limit = MAX_BYTES[kind]
    if len(data) > limit:
        raise FileTooLarge(
            _("%(kind)s超过 %(limit)d MB，请压缩后再传。")
            % {"kind": kind.label, "limit": limit // MEGABYTE}
        )


def _stored(data: bytes, path: str) -> str:
    """The name tells the contents; what a crash left half written is written again."""
    storage = content_storage()
    if storage.exists(path):
        if storage.size(path) == len(data):
            return path
        storage.delete(path)
    return storage.save(path, ContentFile(data))
