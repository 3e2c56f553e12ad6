from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from members.admin.words import NOTHING, chips
from members.models import ChurnScore, DailyRun
from members.rules.churn import RiskBand, reason_in_words
from members.rules.daily_runs import DailyRunKind
from members.rules.model_notes import run_notes_in_words
from scrm.accounts.admin_gates import admin_user
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

BAND_COLOURS = {RiskBand.LOW: "success", RiskBand.MEDIUM: "warning", RiskBand.HIGH: "danger"}


@admin.register(ChurnScore)
class ChurnScoreAdmin(HistoryModelAdmin[ChurnScore]):
    """Everybody who was scored, most at risk first; the worklist of alerts is in campaigns."""

    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_before_template = "members/unscored.html"
    list_display = (
        "who",
        "community",
        "band_label",
        "chance",
        "reason_list",
        "last_active_on",
        "scored_on",
    )
    list_filter = (
        "community",
        ("band", MultipleChoicesDropdownFilter),
        ("last_active_on", RangeDateFilter),
    )
    list_select_related = ("member", "community")
    list_fullwidth = True
    search_fields = ("=member__external_id", "member__nickname")
    search_help_text = _("客户编号或昵称")
    fields = (
        ("member", "community"),
        ("band", "chance"),
        "reason_list",
        ("last_active_on", "scored_on"),
        "model_version",
    )
    readonly_fields = (
        "member",
        "community",
        "band",
        "chance",
        "reason_list",
        "last_active_on",
        "scored_on",
        "model_version",
    )
    ordering = ("-probability", "-pk")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Says how many the last run left out because they have not agreed to be profiled."""
        home = admin_user(request).enterprise_id
        runs = DailyRun.objects.filter(enterprise=home, kind=DailyRunKind.SCORING)
        last = runs.order_by("-day").first()
        unconsented = last.notes.get("unconsented", 0) if last else 0
        context = {**(extra_context or {}), "unconsented": unconsented}
        return super().changelist_view(request, context)  # type: ignore[return-value]

    @display(description=_("成员"), header=True)
    def who(self, score: ChurnScore) -> list[str]:
        return [score.member.nickname, score.member.external_id, score.member.nickname[:1]]

    @display(description=_("风险"), label=BAND_COLOURS)
    def band_label(self, score: ChurnScore) -> tuple[str, str]:
        return score.band, score.get_band_display()

    @display(description=_("28 天内沉默的概率"), ordering="probability")
    def chance(self, score: ChurnScore) -> str:
        return f"{score.probability:.0%}"

    @display(description=_("原因"))
    def reason_list(self, score: ChurnScore) -> SafeString | str:
        return chips(reason_in_words(reason) for reason in score.reasons) or NOTHING


@admin.register(DailyRun)
class DailyRunAdmin(HistoryModelAdmin[DailyRun]):
    view_capability = Capability.VIEW_MEMBERS
    list_display = (
        "day",
        "kind",
        "community_count",
        "member_count",
        "note_list",
        "started_at",
        "finished_at",
    )
    list_filter = ("kind", ("day", RangeDateFilter))
    fields = (
        ("kind", "day"),
        ("community_count", "member_count"),
        "note_list",
        ("started_at", "finished_at"),
    )
    readonly_fields = (
        "kind",
        "day",
        "community_count",
        "member_count",
        "note_list",
        "started_at",
        "finished_at",
    )
    ordering = ("-day", "-pk")

    @display(description=_("说明"))
    def note_list(self, run: DailyRun) -> str:
        return "；".join(run_notes_in_words(run.notes)) or NOTHING
