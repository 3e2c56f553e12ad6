from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import DataScope


class ImportKind(models.TextChoices):
    MEMBERS = "members", _("成员")
    MEMBERSHIPS = "memberships", _("在群历史")
    ACTIVITY = "activity", _("活跃")
    PURCHASES = "purchases", _("订单")
    CLASSIFICATIONS = "classifications", _("分类")


class FileFormat(models.TextChoices):
    CSV = "csv", "CSV"
    EXCEL = "xlsx", "Excel"
    LINES = "jsonl", _("JSON 行")


class ImportRunQuerySet(models.QuerySet["ImportRun"]):
    def visible_to(self, user: User) -> ImportRunQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)

    def claimable(self) -> ImportRunQuerySet:
        """Handed in, not finished, and nobody is at it; by the database's clock."""
        return self.filter(finished_at=None, payload__isnull=False).filter(
            models.Q(lease_until=None) | models.Q(lease_until__lt=Now())
        )


class ImportRun(models.Model):
    """How far the import of one file has come; the same file continues where it stopped.

    The counts, the position in the file and the refused rows (or the size of the file of them) are
    written in the transaction that keeps the rows, so they are true whenever the process dies.

    A position is in bytes; in a spreadsheet, which is not read by bytes, it is in rows. ``options``
    are what whoever handed the file in has asked for. ``spans`` are the first and the last instant
    of each community in the file so far: between them the source has listened.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="import_runs", verbose_name=_("企业")
    )
    kind = models.CharField(_("类型"), max_length=20, choices=ImportKind.choices)
    file_name = models.CharField(_("文件"), max_length=255)
    file_digest = models.CharField(_("文件指纹"), max_length=64)
    source = models.CharField(_("数据来源"), max_length=40, blank=True, default="")
    encoding = models.CharField(_("编码"), max_length=20, blank=True, default="")
    format = models.CharField(
        _("格式"),
        max_length=10,
        choices=FileFormat.choices,
        default=FileFormat.CSV,
        db_default=FileFormat.CSV,
    )
    options = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    spans = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    byte_position = models.PositiveBigIntegerField(default=0, editable=False)
    total_size = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    attempt_count = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    rejects_size = models.PositiveBigIntegerField(default=0, editable=False)
    line_count = models.PositiveBigIntegerField(_("已读行数"), default=0)
    accepted_count = models.PositiveBigIntegerField(_("新增"), default=0)
    updated_count = models.PositiveBigIntegerField(_("更新"), default=0)
    duplicate_count = models.PositiveBigIntegerField(_("重复"), default=0)
    rejected_count = models.PositiveBigIntegerField(_("拒绝"), default=0)
    rejects_file = models.CharField(_("拒绝明细文件"), max_length=1024, blank=True, default="")
    failure = models.CharField(_("中止原因"), max_length=300, blank=True, default="", db_default="")
    requested_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("提交人"),
    )
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
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
            models.CheckConstraint(
                condition=models.Q(format__in=FileFormat.values),
                name="import_format_is_known",
                violation_error_message=_("未知的文件格式。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.pk})"


class ImportPayload(models.Model):
    """What was handed in over the API or the admin, until it is taken in; then the row goes."""

    run = models.OneToOneField(
        ImportRun, on_delete=models.CASCADE, primary_key=True, related_name="payload"
    )
    content = models.BinaryField()

    class Meta:
        verbose_name = _("待导入内容")
        verbose_name_plural = _("待导入内容")

    def __str__(self) -> str:
        return str(self.pk)


class ImportRejectionQuerySet(models.QuerySet["ImportRejection"]):
    def visible_to(self, user: User) -> ImportRejectionQuerySet:
        """Rows of a file name people of every community: who sees only some of them sees the rows
        of their own files."""
        rows = self.filter(run__enterprise=user.enterprise_id)
        return rows if user.data_scope == DataScope.ALL else rows.filter(run__requested_by=user.pk)


class ImportRejection(models.Model):
    """An item of a handed-in import that was refused: which, why, and what it was.

    ``position`` counts the items from 0, as the answer to a batch does; ``line`` is where a person
    finds it in the file.
    """

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rejections")
    position = models.PositiveIntegerField(_("第几条"), help_text=_("从 0 数起。"))
    code = models.CharField(_("错误码"), max_length=60)
    detail = models.CharField(_("说明"), max_length=500)
    line = models.PositiveIntegerField(
        _("行号"), default=0, db_default=0, help_text=_("文件里的第几行，从 1 数起。")
    )
    raw = models.CharField(_("原始内容"), max_length=600, blank=True, default="", db_default="")

    objects = ImportRejectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("被拒绝的行")
        verbose_name_plural = _("被拒绝的行")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "position"],
                name="one_rejection_per_item",
                violation_error_message=_("这一条已有拒绝记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.position}"
