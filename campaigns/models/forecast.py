from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.broadcast import Broadcast, Run

if TYPE_CHECKING:
    from scrm.accounts.models import User


class BroadcastForecastQuerySet(models.QuerySet["BroadcastForecast"]):
    def visible_to(self, user: User) -> BroadcastForecastQuerySet:
        return self.filter(broadcast__in=Broadcast.objects.visible_to(user))


class BroadcastForecast(models.Model):
    """What a broadcast was expected to bring and to cost, and later what it did.

    One row before it runs, made anew on demand; one row for each run, frozen when the run begins.
    ``figures``: see ``campaigns.rules.forecasts``. ``actual`` is filled once the run's report is
    final.
    """

    broadcast = models.ForeignKey(
        Broadcast, on_delete=models.CASCADE, related_name="forecasts", verbose_name=_("群发")
    )
    run = models.OneToOneField(
        Run,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="forecast",
        verbose_name=_("群发执行"),
    )
    figures = models.JSONField(_("预测"), default=dict)
    actual = models.JSONField(_("实际"), null=True, blank=True)
    is_assumption = models.BooleanField(
        _("只是假设"), default=True, help_text=_("本企业的历史还不够，用的是默认参数。")
    )
    computed_at = models.DateTimeField(_("计算时间"), db_default=Now())

    objects = BroadcastForecastQuerySet.as_manager()

    class Meta:
        verbose_name = _("群发预测")
        verbose_name_plural = _("群发预测")
        constraints = [
            models.UniqueConstraint(
                fields=["broadcast"],
                condition=models.Q(run=None),
                name="one_forecast_before_the_run",
                violation_error_message=_("这条群发已有预测。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
