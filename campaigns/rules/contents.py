"""The life of a piece of content, and what can be attached to a message."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ContentStatus(TextChoices):
    TOPIC = "topic", _("选题")
    DRAFTING = "drafting", _("撰写中")
    REVIEW = "review", _("待审核")
    PUBLISHED = "published", _("已发布")
    FEEDBACK = "feedback", _("收集反馈")
    OPTIMISED = "optimised", _("已优化")
    RETIRED = "retired", _("已停用")


#: From the topic to what was learnt, and round again: an optimised one is drafted anew.
CONTENT_MOVES: dict[str, frozenset[ContentStatus]] = {
    ContentStatus.TOPIC: frozenset({ContentStatus.DRAFTING, ContentStatus.RETIRED}),
    ContentStatus.DRAFTING: frozenset({ContentStatus.REVIEW, ContentStatus.RETIRED}),
    ContentStatus.REVIEW: frozenset({ContentStatus.PUBLISHED, ContentStatus.DRAFTING}),
    ContentStatus.PUBLISHED: frozenset({ContentStatus.FEEDBACK, ContentStatus.RETIRED}),
    ContentStatus.FEEDBACK: frozenset({ContentStatus.OPTIMISED, ContentStatus.RETIRED}),
    ContentStatus.OPTIMISED: frozenset({ContentStatus.DRAFTING, ContentStatus.RETIRED}),
    ContentStatus.RETIRED: frozenset(),
}

#: What may be sent: a published version of a content in one of these. While the next version is
#: being written, the one that was published stays.
USABLE_CONTENT = frozenset(ContentStatus) - {ContentStatus.TOPIC, ContentStatus.RETIRED}


class AuthorKind(TextChoices):
    STAFF = "staff", _("员工")
    CREATOR = "creator", _("达人")
    MEMBER = "member", _("成员")
    AGENCY = "agency", _("代理公司")
    MACHINE = "machine", _("AI 生成")


class AttachmentKind(TextChoices):
    IMAGE = "image", _("图片")
    VIDEO = "video", _("视频")
    FILE = "file", _("文件")
    LINK = "link", _("链接")
    MINIPROGRAM = "miniprogram", _("小程序")


#: Attachments that are files of ours, uploaded to the platform before they are sent.
MEDIA_KINDS = frozenset({AttachmentKind.IMAGE, AttachmentKind.VIDEO, AttachmentKind.FILE})
