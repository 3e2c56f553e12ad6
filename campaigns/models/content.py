from __future__ import annotations

from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.rules.contents import AttachmentKind, AuthorKind, ContentStatus
from communities.rules.kinds import ContentCategory
from scrm.accounts.models import Enterprise, User
from scrm.wecom.models import ChannelAccount


def content_storage() -> Storage:
    return storages["content"]


class ContentQuerySet(models.QuerySet["Content"]):
    def visible_to(self, user: User) -> ContentQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class Content(models.Model):
    """Something worth saying, from the topic to what was learnt by sending it.

    What it says stands in its versions, which never change.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="contents", verbose_name=_("企业")
    )
    title = models.CharField(_("选题"), max_length=120)
    category = models.CharField(_("内容类别"), max_length=20, choices=ContentCategory.choices)
    author_kind = models.CharField(
        _("作者类型"), max_length=20, choices=AuthorKind.choices, default=AuthorKind.STAFF
    )
    language = models.CharField(_("语言"), max_length=20, default="zh-hans")
    status = models.CharField(
        _("状态"), max_length=20, choices=ContentStatus.choices, default=ContentStatus.TOPIC
    )
    status_reason = models.CharField(_("状态说明"), max_length=300, blank=True, default="")
    brief = models.TextField(
        _("要点"), max_length=2000, blank=True, default="", help_text=_("给谁看、要达到什么。")
    )
    learnt = models.TextField(
        _("学到什么"), max_length=2000, blank=True, default="", help_text=_("下一版按什么改。")
    )
    author = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("作者")
    )
    created_at = models.DateTimeField(_("创建时间"), db_default=Now())

    objects = ContentQuerySet.as_manager()

    class Meta:
        verbose_name = _("内容")
        verbose_name_plural = _("内容库")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=ContentStatus.values),
                name="content_status_is_known",
                violation_error_message=_("未知的内容状态。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-created_at", "-id"], name="contents_newest_first"),
        ]

    def __str__(self) -> str:
        return self.title


class ContentVersionQuerySet(models.QuerySet["ContentVersion"]):
    def visible_to(self, user: User) -> ContentVersionQuerySet:
        return self.filter(content__in=Content.objects.visible_to(user))


class ContentVersion(models.Model):
    """What a content says, once and for all: a change is a new version.

    ``attachments`` is a list like a broadcast's, checked by ``campaigns.rules.attachments``.
    """

    content = models.ForeignKey(
        Content, on_delete=models.PROTECT, related_name="versions", verbose_name=_("内容")
    )
    number = models.PositiveIntegerField(_("版本"))
    body = models.TextField(_("正文"), max_length=4000)
    attachments = models.JSONField(_("附件"), default=list, blank=True)
    written_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("撰写人")
    )
    written_at = models.DateTimeField(_("撰写时间"), db_default=Now())
    published_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("发布人"),
    )
    published_at = models.DateTimeField(_("发布时间"), null=True, blank=True)

    objects = ContentVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("内容版本")
        verbose_name_plural = _("内容版本")
        constraints = [
            models.UniqueConstraint(
                fields=["content", "number"],
                name="content_version_number_is_unique",
                violation_error_message=_("版本号重复。"),
            ),
            models.CheckConstraint(
                condition=models.Q(published_by=None)
                | ~models.Q(published_by=models.F("written_by")),
                name="content_is_published_by_another",
                violation_error_message=_("撰写人不能发布自己写的版本。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.content_id} v{self.number} ({self.pk})"


class MediaAssetQuerySet(models.QuerySet["MediaAsset"]):
    def visible_to(self, user: User) -> MediaAssetQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class MediaAsset(models.Model):
    """A file of ours that messages can carry. The same file is kept once per enterprise."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    kind = models.CharField(_("类型"), max_length=20, choices=AttachmentKind.choices)
    name = models.CharField(_("文件名"), max_length=120)
    file = models.FileField(_("文件"), max_length=200, storage=content_storage)
    size = models.PositiveIntegerField(_("字节数"))
    sha256 = models.CharField(max_length=64, editable=False)
    uploaded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("上传人")
    )
    uploaded_at = models.DateTimeField(_("上传时间"), db_default=Now())

    objects = MediaAssetQuerySet.as_manager()

    class Meta:
        verbose_name = _("素材")
        verbose_name_plural = _("素材")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "sha256", "kind"],
                name="media_asset_is_kept_once",
                violation_error_message=_("这个文件已经在素材库里。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MediaUpload(models.Model):
    """What the platform calls a file of ours, until it forgets it after three days.

    A picture of a link has an address there, ``picture_url``, which stays.
    """

    asset = models.ForeignKey(
        MediaAsset, on_delete=models.CASCADE, related_name="uploads", verbose_name=_("素材")
    )
    account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    media_id = models.CharField(_("平台素材编号"), max_length=200)
    expires_at = models.DateTimeField(_("到期"), help_text=_("按平台的时钟。"))
    picture_url = models.CharField(
        _("平台图片地址"), max_length=2048, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("平台素材")
        verbose_name_plural = _("平台素材")
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "account"],
                name="one_upload_per_asset_and_account",
                violation_error_message=_("这个素材已经上传。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id}@{self.account_id} ({self.pk})"
