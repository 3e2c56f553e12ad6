from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """The last sign of life of a background process, by the database's clock."""

    process = models.CharField(_("进程"), max_length=100, unique=True)
    kind = models.CharField(_("类型"), max_length=20)
    beaten_at = models.DateTimeField(_("最近心跳"), db_default=Now())

    class Meta:
        verbose_name = _("进程心跳")
        verbose_name_plural = _("进程心跳")

    def __str__(self) -> str:
        return f"{self.process} ({self.pk})"
