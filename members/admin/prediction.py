from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from members.admin.words import NOTHING
from members.models import PredictionModel, ScoreCheck
from members.rules.model_notes import FIGURES, TERMS, note_in_words
from members.rules.predictions import ModelStatus, model_may_become
from members.services.model_registry import activate_model, retire_model
from scrm.accounts.admin_scope import EnterpriseModelAdmin, HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

STATUS_COLOURS = {
    ModelStatus.CANDIDATE: "info",
    ModelStatus.ACTIVE: "success",
    ModelStatus.RETIRED: "default",
    ModelStatus.REJECTED: "warning",
}
FEW = 30  # fewer scored members make the figures of a check an accident


def number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else NOTHING


@admin.register(PredictionModel)
class PredictionModelAdmin(EnterpriseModelAdmin[PredictionModel]):
    """What was learnt, from what, how well, and which of it serves."""

    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {"choose": Capability.MANAGE_SEND_POLICIES}
    list_display = (
        "version",
        "kind",
        "whose",
        "status_label",
        "row_count",
        "positive_count",
        "trained_until",
        "created_at",
    )
    list_filter = (
        "community",
        ("kind", MultipleChoicesDropdownFilter),
        ("status", MultipleChoicesDropdownFilter),
    )
    list_select_related = ("community",)
    list_fullwidth = True
    search_fields = ("version",)
    fields = (
        ("version", "kind"),
        ("whose", "status"),
        "note_list",
        ("row_count", "positive_count", "trained_until"),
        ("created_at", "retired_at", "chosen_until"),
        "coefficients",
        "results",
    )
    readonly_fields = (
        "version",
        "kind",
        "whose",
        "status",
        "note_list",
        "row_count",
        "positive_count",
        "trained_until",
        "created_at",
        "retired_at",
        "chosen_until",
        "coefficients",
        "results",
    )
    ordering = ("-pk",)
    actions_detail = ("activate", "retire")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def idle_buttons(self, row: PredictionModel) -> set[str]:
        targets = {"activate": ModelStatus.ACTIVE, "retire": ModelStatus.RETIRED}
        return {name for name, to in targets.items() if not model_may_become(row.status, to)}

    @display(description=_("范围"))
    def whose(self, model: PredictionModel) -> str:
        return model.community.name if model.community else gettext("全企业")

    @display(description=_("状态"), label=STATUS_COLOURS)
    def status_label(self, model: PredictionModel) -> tuple[str, str]:
        return model.status, model.get_status_display()

    @display(description=_("说明"))
    def note_list(self, model: PredictionModel) -> str:
        return "；".join(note_in_words(note) for note in model.notes) or NOTHING

    @display(description=_("系数"))
    def coefficients(self, model: PredictionModel) -> SafeString:
        parameters = dict(model.parameters)
        terms = [
            (TERMS.get(term["name"], term["name"]), *map(number, list(term.values())[1:]))
            for term in parameters.pop("terms", ())
        ]
        rest = [
            (gettext("截距") if name == "intercept" else name, number(value))
            for name, value in parameters.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        return render_to_string("members/model_coefficients.html", {"terms": terms, "rest": rest})

    @display(description=_("在没有参与训练的最近一期上"))
    def results(self, model: PredictionModel) -> SafeString | str:
        return figures_table(model.figures)

    @action(
        description=_("启用"),
        icon="play_arrow",
        permissions=["choose"],
        dialog=confirm(
            _("启用这个模型"),
            _("在用的模型会停下来；此后 28 天每周训练不会换掉它。评分随下一次运行更新。"),
        ),
    )
    def activate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, activate_model, done=gettext("已启用。"))

    @action(
        description=_("停用"),
        icon="stop",
        permissions=["choose"],
        dialog=confirm(
            _("停用这个模型"), _("改用全企业的模型；没有时用自带的。28 天内不会自动启用新的。")
        ),
    )
    def retire(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, retire_model, done=gettext("已停用。"))


@admin.register(ScoreCheck)
class ScoreCheckAdmin(HistoryModelAdmin[ScoreCheck]):
    """What was said each week against what came."""

    view_capability = Capability.VIEW_MEMBERS
    list_display = (
        "cut",
        "community",
        "origin",
        "scored_count",
        "churned_count",
        "area",
        "lift",
        "lift_of_silence",
        "model_version",
    )
    list_filter = ("community", "is_backtest", ("cut", RangeDateFilter))
    list_select_related = ("community",)
    list_fullwidth = True
    fields = (
        ("cut", "community", "is_backtest"),
        ("scored_count", "churned_count", "model_version"),
        "results",
        "calibration",
    )
    readonly_fields = (
        "cut",
        "community",
        "is_backtest",
        "scored_count",
        "churned_count",
        "model_version",
        "results",
        "calibration",
    )
    ordering = ("-cut", "-pk")

    @display(description=_("来历"), label={"backtest": "info", "live": "success", "few": "warning"})
    def origin(self, check: ScoreCheck) -> tuple[str, str]:
        if check.scored_count < FEW:
            return "few", gettext("样本太少")
        return ("backtest", gettext("回测")) if check.is_backtest else ("live", gettext("实际"))

    @display(description=_("AUC"))
    def area(self, check: ScoreCheck) -> str:
        return number(check.figures.get("auc"))

    @display(description=_("前 10% 提升"))
    def lift(self, check: ScoreCheck) -> str:
        return number(check.figures.get("at_10", {}).get("lift"))

    @display(description=_("只看沉默天数"))
    def lift_of_silence(self, check: ScoreCheck) -> str:
        return number(check.figures.get("silence_at_10", {}).get("lift"))

    @display(description=_("核对结果"))
    def results(self, check: ScoreCheck) -> SafeString | str:
        return figures_table(check.figures)

    @display(description=_("校准：说的概率与实际比例"))
    def calibration(self, check: ScoreCheck) -> SafeString:
        rows = [
            (
                f"{each['from']:.0%}–{each['to']:.0%}",
                each["n"],
                number(each["mean_p"]),
                number(each["rate"]),
                each["n"] < FEW,
            )
            for each in check.figures.get("bins", ())
        ]
        return render_to_string("members/calibration.html", {"rows": rows})


def figures_table(figures: dict[str, Any]) -> SafeString | str:
    """The figures that have a name, each beside the one of the plain silence rule if it has one."""
    rows = []
    for path, label in FIGURES.items():
        found = value_at(figures, path)
        if found is not None:
            plain = value_at(figures, f"silence_{path}")
            rows.append((label, number(found), number(plain)))
    return render_to_string("members/score_figures.html", {"rows": rows}) if rows else NOTHING


def value_at(figures: dict[str, Any], path: str) -> object:
    found: Any = figures
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
