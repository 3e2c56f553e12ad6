from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User


class ImportKind(models.TextChoices):
    MEMBERS = "members", _("成员")
    ACTIVITY = "activity", _("活跃")
    PURCHASES = "purchases", _("订单")
    CLASSIFICATIONS = "classifications", _("分类")


class ImportRunQuerySet(models.QuerySet["ImportRun"]):
    def visible_to(self, user: User) -> ImportRunQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class ImportRun(models.Model):
    """How far the import of one file has come; the same file continues where it stopped.

    The counts, the position in the file and the size of the rejects file are written in the
    transaction that keeps the rows, so they are true whenever the process dies.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="import_runs", verbose_name=_("企业")
    )
    kind = models.CharField(_("类型"), max_length=20, choices=ImportKind.choices)
    file_name = models.CharField(_("文件"), max_length=255)
    file_digest = models.CharField(_("文件指纹"), max_length=64)
    source = models.CharField(_("数据来源"), max_length=40, blank=True, default="")
    encoding = models.CharField(_("编码"), max_length=20, blank=True, default="")
    byte_position = models.PositiveBigIntegerField(default=0, editable=False)
    rejects_size = models.PositiveBigIntegerField(default=0, editable=False)
    line_count = models.PositiveBigIntegerField(_("已读行数"), default=0)
    accepted_count = models.PositiveBigIntegerField(_("新增"), default=0)
    updated_count = models.PositiveBigIntegerField(_("更新"), default=0)
    duplicate_count = models.PositiveBigIntegerField(_("重复"), default=0)
    rejected_count = models.PositiveBigIntegerField(_("拒绝"), default=0)
    rejects_file = models.CharField(_("拒绝明细文件"), max_length=1024, blank=True, default="")
    started_at = models.DateTimeField(_("开始时间"), db_default=Now())
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    objects = ImportRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("导入记录")
        verbose_name_plural = _("导入记录")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "kind", "source", "file_digest"],
                name="one_import_run_per_file",
                violation_error_message=_("这个文件已有导入记录。"),
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ImportKind.values),
                name="import_kind_is_known",
                violation_error_message=_("未知的导入类型。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.pk})"
