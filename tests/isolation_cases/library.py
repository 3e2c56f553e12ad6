"""Doors of the content library, its files and the lexicon; they belong to campaigns."""

import base64

from campaigns.models import Content, ContentVersion, LexiconTerm
from campaigns.rules.contents import ContentStatus
from scrm.accounts.rules.roles import Role
from tests.campaigns.content_factories import MediaAssetFactory
from tests.isolation import Call
from tests.members.pictures import jpeg

PICTURE = base64.b64encode(jpeg(7)).decode()


def build(world):
    for name, status in (
        ("content", ContentStatus.DRAFTING),
        ("content in review", ContentStatus.REVIEW),
        ("published content", ContentStatus.PUBLISHED),
        ("measured content", ContentStatus.FEEDBACK),
    ):
        content = Content.objects.create(
            enterprise=world.enterprise,
            title=f"{world.mark}{name}",
            category="knowledge",
            status=status,
            author=world.users[Role.OPERATOR],
        )
        ContentVersion.objects.create(
            content=content,
            number=1,
            body=f"{world.mark}正文",
            written_by=world.users[Role.OPERATOR],
        )
        world.rows[name] = content
    world.rows["media asset"] = MediaAssetFactory(
        enterprise=world.enterprise, name=f"{world.mark}图.jpg"
    )
    world.rows["lexicon term"] = LexiconTerm.objects.create(
        enterprise=world.enterprise, term=f"{world.mark}词", severity="hint"
    )


def new_version(world):
    return {
        "body": "周末读书会",
        "attachments": [{"kind": "image", "asset": world["media asset"].pk}],
    }


def media_file(world):
    return {"object_id": world["media asset"].pk}


API = {
    "content-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"title": "选题", "category": "event"}, answers=(201,)),
    },
    "content-detail": {
        "get": Call(row="content"),
        "patch": Call(row="content", body=lambda w: {"title": "改名"}),
    },
    "content-versions": {
        "get": Call(row="content"),
        "post": Call(row="content", body=new_version, answers=(201,)),
    },
    "content-submit": {"post": Call(row="content")},
    "content-return-to-drafting": {
        "post": Call(row="content in review", body=lambda w: {"reason": "太长"})
    },
    "content-publish": {"post": Call(row="content in review")},
    "content-collect-feedback": {"post": Call(row="published content")},
    "content-optimise": {"post": Call(row="measured content", body=lambda w: {"learnt": "短一点"})},
    "content-retire": {"post": Call(row="published content")},
    "media-asset-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"name": "a.jpg", "content": PICTURE}, answers=(201,)),
    },
    "media-asset-detail": {
        "get": Call(row="media asset"),
        "patch": Call(row="media asset", body=lambda w: {"name": "新名字"}),
    },
    "media-asset-file": {"get": Call(row="media asset")},
    "lexicon-term-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"term": "神药", "severity": "block"}, answers=(201,)),
    },
    "lexicon-term-detail": {
        "get": Call(row="lexicon term"),
        "patch": Call(row="lexicon term", body=lambda w: {"severity": "block"}),
    },
    "lexicon-term-check-text": {"post": Call(body=lambda w: {"body": "全网最低价"})},
}

ADMIN = {
    "campaigns.content": "content",
    "campaigns.mediaasset": "media asset",
    "campaigns.lexiconterm": "lexicon term",
}

ADMIN_URLS = {
    "campaigns_content_submit": Call(row="content"),
    "campaigns_content_publish": Call(row="content in review"),
    "campaigns_content_return_to_drafting": Call(
        row="content in review", body=lambda w: {"reason": "太长"}
    ),
    "campaigns_content_collect_feedback": Call(row="published content"),
    "campaigns_content_optimise": Call(row="measured content", body=lambda w: {"learnt": "短一点"}),
    "campaigns_content_retire": Call(row="published content", body=lambda w: {"reason": "过时"}),
    "campaigns_mediaasset_file": Call(kwargs=media_file),  # a reader sees it too,
}
