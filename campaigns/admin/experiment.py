from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns.admin.experiment_form import (
    FIRST_ARMS,
    MORE_ARMS,
    ExperimentForm,
    rows_of,
)
from campaigns.experiment_words import figures_of, words_of
from campaigns.models import Experiment
from campaigns.rules.designs import FIELDS
from campaigns.rules.experiments import ExperimentStatus
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.arms import is_recurring
from campaigns.services.evaluating import apply_winner, end_experiment, evaluate_experiment
from campaigns.services.experimenting import (
    abandon_experiment,
    create_experiment,
    edit_experiment,
    remove_experiment,
)
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

COLOURS = {
    ExperimentStatus.RUNNING: "primary",
    ExperimentStatus.ENDED: "warning",
    ExperimentStatus.APPLIED: "success",
}
BUTTONS = {
    ExperimentStatus.RUNNING: {"look", "end", "abandon"},
    ExperimentStatus.ENDED: {"look", "apply", "abandon"},
}


class ApplyDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    """Which arm; the winner is chosen already."""

    arm = forms.TypedChoiceField(
        label=_("采用哪一组"), coerce=int, choices=[], widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(
        label=_("理由"),
        max_length=300,
        required=False,
        help_text=_("采用的不是结果里的胜者时必填。"),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        visible = Experiment.objects.visible_to(admin_user(self.request))
        asked = str(self.object_id)
        experiment = visible.filter(pk=asked).first() if asked.isdecimal() else None
        if experiment is not None:
            arms = experiment.arms.order_by("number")
            self.fields["arm"].choices = list(arms.values_list("number", "name"))
            self.fields["arm"].initial = (experiment.result or {}).get("winner")


@admin.register(Experiment)
class ExperimentAdmin(EnterpriseModelAdmin[Experiment]):
    """Arms of a broadcast, and on its page the verdict in words with its figures beside it."""

    form = ExperimentForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    delete_capability = Capability.COMPOSE_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "compose": Capability.COMPOSE_CAMPAIGNS,
    }
    create_verb = create_experiment
    list_display = ("name", "kind", "metric", "status_label", "verdict", "ends_at")
    list_filter = ("status", "kind")
    list_select_related = ("broadcast__enterprise",)
    search_fields = ("broadcast__name",)
    ordering = ("-pk",)
    actions_detail = ("look", "apply", "end", "abandon")
    readonly_fields = ("of_broadcast",)
    change_form_template = "admin/campaigns/experiment/change_form.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["campaigns/report.css"]}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Experiment]:
        rows: models.QuerySet[Experiment] = super().get_queryset(request)
        return rows.select_related("broadcast__enterprise").prefetch_related("arms")

    def get_fieldsets(self, request: HttpRequest, obj: Experiment | None = None) -> Any:
        subject = "of_broadcast" if obj else "broadcast"
        question = (
            subject,
            ("kind", "unit"),
            ("metric", "window_hours"),
            ("holdout_percent", "planned_days"),
        )
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": question})]
        return [
            (None, {"fields": question}),
            (_("各组；第 1 组是基准"), {"fields": list(rows_of(FIRST_ARMS))}),
            (_("更多组"), {"fields": list(rows_of(MORE_ARMS)), "classes": ["collapse"]}),
        ]

    # --- who may write ---

    def has_change_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        is_allowed = super().has_change_permission(request, obj)
        return is_allowed and (obj is None or _is_draft(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        is_allowed = super().has_delete_permission(request, obj)
        return is_allowed and obj is not None and _is_draft(obj)

    def save_model(self, request: HttpRequest, obj: Experiment, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        values = {name: form.cleaned_data[name] for name in form.changed_arguments}
        edit_experiment(obj.pk, actor=admin_user(request), **values)
        obj.refresh_from_db()

    def verb_fields(self, form: Any) -> list[str]:
        return ["broadcast", *FIELDS, "arms"]

    def delete_model(self, request: HttpRequest, obj: Experiment) -> None:
        remove_experiment(obj.pk, actor=admin_user(request))

    # --- how it looks ---

    @display(description=_("群发"), ordering="broadcast__name")
    def name(self, experiment: Experiment) -> str:
        return experiment.broadcast.name

    @display(description=_("群发"))
    def of_broadcast(self, experiment: Experiment) -> SafeString:
        url = reverse("admin:campaigns_broadcast_change", args=[experiment.broadcast_id])
        return format_html('<a class="underline" href="{}">{}</a>', url, experiment.broadcast.name)

    @display(description=_("状态"), ordering="status", label=COLOURS)
    def status_label(self, experiment: Experiment) -> tuple[str, str]:
        return experiment.status, experiment.get_status_display()

    @display(description=_("结论"))
    def verdict(self, experiment: Experiment) -> str:
        return words_of(experiment)[0]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        experiment = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if experiment is not None:
            headline, *reasons = words_of(experiment)
            context |= {
                "experiment": experiment,
                "headline": headline,
                "reasons": reasons,
                "figures": figures_of(experiment),
                "arms": list(experiment.arms.order_by("number")),
            }
        return super().change_view(request, object_id, form_url, context)

    # --- buttons ---

    def idle_buttons(self, row: Experiment) -> set[str]:
        return set(self.actions_detail) - BUTTONS.get(ExperimentStatus(row.status), set())

    @action(
        description=_("现在算一次"),
        icon="calculate",
        permissions=["compose"],
        dialog=confirm(
            _("按现在的数据算一次？"), _("随时可以看；到期之前只有区间，看多少次都不会错判。")
        ),
    )
    def look(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        done = gettext("已经算过；收件人很多时在后台进行，过一会儿刷新这一页。")
        return self.run_on_row(request, object_id, evaluate_experiment, done=done)

    @action(
        description=_("采用"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={
            **confirm(
                _("以后都按这一组发？"),
                _("重复的群发从下一次起都用它；只发一次的群发记下这个决定。"),
                submit=_("采用"),
            ),
            "form_class": ApplyDialog,
        },
    )
    def apply(self, request: HttpRequest, form: ApplyDialog, object_id: str) -> HttpResponse:
        experiment = self.row(request, object_id)
        try:
            apply_winner(
                experiment.pk,
                actor=admin_user(request),
                arm=form.cleaned_data["arm"],
                reason=form.cleaned_data["reason"],
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            self.message_user(request, _applied_words(experiment), messages.SUCCESS)
        return self.back_to(request, experiment)

    @action(
        description=_("提前结束"),
        icon="flag",
        permissions=["compose"],
        dialog=confirm(
            _("现在就下结论？"), _("只有随时可看的区间已经分出高下时才可以，结论仍然可靠。")
        ),
    )
    def end(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        return self.run_on_row(request, object_id, end_experiment, done=gettext("实验已提前结束。"))

    @action(
        description=_("放弃"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog=confirm(_("放弃这个实验？"), _("不会有结论；之后的发送不再分组。不能恢复。")),
    )
    def abandon(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        return self.run_on_row(request, object_id, abandon_experiment, done=gettext("实验已放弃。"))


def _is_draft(experiment: Experiment) -> bool:
    return (
        experiment.status == ExperimentStatus.DRAFT
        and experiment.broadcast.status == BroadcastStatus.DRAFT
    )


def _applied_words(experiment: Experiment) -> str:
    if is_recurring(experiment.broadcast_id):
        return gettext("已采用：从下一次发送起，所有人都收到这一组。")
    return gettext("已记下。这条群发只发一次：写下一条时，请用这一组的文案或时间。")
