from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from campaigns.admin.forecast_panel import comparison_context
from campaigns.models import RunReport
from campaigns.report_words import (
    amount,
    cards_of,
    funnel_chart,
    leaves_chart,
    leaves_in_words,
    share,
    verdict_in_words,
)
from campaigns.services.exporting import export_recipients
from campaigns.services.reporting import refresh_report, report_now
from scrm.accounts.admin_gates import may
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability

NOTHING = "—"


@admin.register(RunReport)
class RunReportAdmin(HistoryModelAdmin[RunReport]):
    """What every run brought and what it cost, and its recipients as a file."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {"refresh": Capability.COMPOSE_CAMPAIGNS}
    list_display = (
        "run_name",
        "began",
        "people_reached",
        "interaction_rate",
        "left_beyond_usual",
        "net_amount",
        "state",
    )
    list_filter = ("is_final",)
    list_select_related = ("run__broadcast",)
    search_fields = ("run__broadcast__name",)
    ordering = ("-pk",)
    fields = (("run_name", "is_final", "computed_at"),)
    readonly_fields = ("run_name",)
    actions_detail = ("refresh",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["campaigns/report.css"]}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[RunReport]:
        return super().get_queryset(request).select_related("run__broadcast")

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<path:object_id>/recipients/",
            self.admin_site.admin_view(self.download_recipients),
            name="campaigns_runreport_recipients",
        )
        return [download, *super().get_urls()]

    @display(description=_("群发"), ordering="run__broadcast__name")
    def run_name(self, report: RunReport) -> str:
        return report.run.broadcast.name

    @display(description=_("开始时间"), ordering="run__started_at")
    def began(self, report: RunReport) -> Any:
        return report.run.started_at

    @display(description=_("送达人数"))
    def people_reached(self, report: RunReport) -> str:
        reached = report.figures.get("people_reached")
        return NOTHING if reached is None else f"{reached:,}"

    @display(description=_("互动率"))
    def interaction_rate(self, report: RunReport) -> str:
        return share(report.figures.get("interaction_rate"))

    @display(description=_("比平时多退出"))
    def left_beyond_usual(self, report: RunReport) -> str:
        leaves = report.figures.get("leaves")
        return f"{leaves[-1]['excess']:,.0f}" if leaves else NOTHING

    @display(description=_("净收益"))
    def net_amount(self, report: RunReport) -> str:
        return amount(report.figures.get("net_amount"))

    @display(description=_("报告"), label={"final": "success", "open": "info"})
    def state(self, report: RunReport) -> tuple[str, str]:
        if report.is_final:
            return "final", gettext("已定稿")
        return "open", gettext("窗口未结束")

    @action(
        description=_("重新计算"),
        icon="refresh",
        permissions=["refresh"],
        dialog=confirm(_("重新计算这份报告？"), _("已定稿的报告不变。")),
    )
    def refresh(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, refresh_report, done=gettext("已重新计算。"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        report = self.get_object(request, object_id)
        panels = panels_of(report) if report is not None else {}
        panels["may_export"] = may(request, Capability.EXPORT_CAMPAIGNS)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "report": panels}
        )

    def download_recipients(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        if not may(request, Capability.EXPORT_CAMPAIGNS):
            raise PermissionDenied
        report = self.row(request, object_id)
        if request.method != "POST":  # looking leaves no trace, an export does
            return self.change_view(request, object_id)  # type: ignore[no-any-return]
        pieces = export_recipients(report.run_id, actor=admin_user(request))
        response = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="run-{report.run_id}.csv"'
        return response


def panels_of(report: RunReport) -> dict[str, Any]:
    figures = report_now(report.run).figures
    return {
        "pk": report.pk,
        "comparison": comparison_context(report),
        "verdict": verdict_in_words(figures),
        "cards": cards_of(figures),
        "funnel": funnel_chart(figures),
        "leaves_chart": leaves_chart(figures),
        "leaves": [
            {
                "hours": one["window_hours"],
                "words": leaves_in_words(one),
                "has_tripped": one["has_tripped"],
            }
            for one in figures["leaves"]
        ],
        "sales": amount(figures["sales_amount"]),
        "orders": figures["orders"],
        "communities": [_row(one) for one in figures["by_community"]],
        "arms": [_row(one) for one in figures["by_arm"]],
    }


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "sales": amount(one["sales_amount"])}
