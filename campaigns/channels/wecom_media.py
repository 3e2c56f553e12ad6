"""Attachments in the platform's form, with our files uploaded where it does not have them.

The platform forgets a file after three days (WeCom, page 90253), so files are uploaded shortly
before they are sent, and again when little of their life is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from campaigns.channels.protocol import Envelope, Rejected
from campaigns.models import MediaAsset, MediaUpload
from campaigns.rules.attachments import assets_named
from campaigns.rules.contents import AttachmentKind
from scrm.wecom.client import WecomClient
from scrm.wecom.client.attachments import Attachment, File, Image, Link, MiniProgram, Video
from scrm.wecom.services.platform_clock import platform_now

MEDIA_LIFE = timedelta(days=3)
#: With less than this left a file is uploaded again: a call may be repeated for hours.
LEAST_LIFE = timedelta(hours=12)

FILE_FORMS: dict[AttachmentKind, Callable[[str], Attachment]] = {
    AttachmentKind.IMAGE: Image,
    AttachmentKind.VIDEO: Video,
    AttachmentKind.FILE: File,
}


def platform_form(client: WecomClient, envelope: Envelope) -> list[Attachment]:
    """Uploads what is missing. Raises ``WecomRefusal``, and ``Rejected`` when a file of ours is
    gone. Not inside a transaction."""
    assets = MediaAsset.objects.filter(enterprise=envelope.account.enterprise_id).in_bulk(
        assets_named(envelope.attachments)
    )
    return [one_form(client, envelope, each, assets) for each in envelope.attachments]


def one_form(
    client: WecomClient,
    envelope: Envelope,
    attachment: Mapping[str, Any],
    assets: Mapping[int, MediaAsset],
) -> Attachment:
    kind = AttachmentKind(attachment["kind"])
    if kind in FILE_FORMS:
        asset = _asset(assets, attachment["asset"])
        return FILE_FORMS[kind](media_id_of(client, envelope, asset))
    if kind == AttachmentKind.LINK:
        picture = attachment.get("picture")
        return Link(
            title=attachment["title"],
            url=attachment["url"],
            description=attachment.get("desc") or "",
            picture_url=picture_url_of(client, envelope, _asset(assets, picture))
            if picture
            else "",
        )
    picture = _asset(assets, attachment["picture"])
    return MiniProgram(
        title=attachment["title"],
        picture_media_id=media_id_of(client, envelope, picture),
        app_id=attachment["appid"],
        page=attachment["page"],
    )


def media_id_of(client: WecomClient, envelope: Envelope, asset: MediaAsset) -> str:
    """What the platform calls a file of ours, good for at least half a day."""
    now = platform_now(client.connection)
    kept = MediaUpload.objects.filter(asset=asset, account=envelope.account).first()
    if kept is not None and kept.media_id and kept.expires_at - now > LEAST_LIFE:
        return kept.media_id
    media = client.upload_media(_media_kind(asset), asset.name, _content(asset))
    uploaded_at = media.created_at or platform_now(client.connection)
    MediaUpload.objects.update_or_create(
        asset=asset,
        account=envelope.account,
        defaults={"media_id": media.media_id, "expires_at": uploaded_at + MEDIA_LIFE},
    )
    return media.media_id


def picture_url_of(client: WecomClient, envelope: Envelope, asset: MediaAsset) -> str:
    """The address of a link's picture at the platform, which stays."""
    kept = MediaUpload.objects.filter(asset=asset, account=envelope.account).first()
    if kept is not None and kept.picture_url:
        return kept.picture_url
    url = client.upload_picture(asset.name, _content(asset))
    MediaUpload.objects.update_or_create(
        asset=asset,
        account=envelope.account,
        defaults={"picture_url": url},
        create_defaults={"picture_url": url, "expires_at": platform_now(client.connection)},
    )
    return url


def forget_uploads(envelope: Envelope) -> None:
    """The platform does not know these files any more, whatever it told: upload them again."""
    MediaUpload.objects.filter(
        account=envelope.account, asset__in=assets_named(envelope.attachments)
    ).update(media_id="")


def kinds_of(attachments: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """What tells two lists of attachments apart that may name their files differently: the form
    of ours and of the platform give the same."""
    found = []
    for each in attachments:
        kind = str(each.get("kind") or each.get("msgtype") or "")
        inner = each.get(kind)
        facts = inner if isinstance(inner, Mapping) else each
        is_named = kind in {AttachmentKind.LINK, AttachmentKind.MINIPROGRAM}
        title = str(facts.get("title") or "") if is_named else ""
        target = str(facts.get("url") or "") if kind == AttachmentKind.LINK else ""
        found.append((kind, title, target))
    return found


def _asset(assets: Mapping[int, MediaAsset], pk: object) -> MediaAsset:
    found = assets.get(pk) if isinstance(pk, int) else None
    if found is None:
        raise Rejected("file_is_gone")
    return found


def _content(asset: MediaAsset) -> bytes:
    try:
        with asset.file.open("rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise Rejected("file_is_gone") from None


def _media_kind(asset: MediaAsset) -> Any:
    return AttachmentKind(asset.kind).value
