from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
)

from campaigns.models import SopEnrolment, SopPlan, SopStep, SopTask
from campaigns.progress_words import reason_in_words
from campaigns.rules.sop import (
    ENROLMENT_MOVES,
    SOP_MOVES,
    EnrolmentStatus,
    SopStatus,
    SopTaskStatus,
)
from campaigns.services import sop_enrolling, sop_plans, sop_tasks
from communities.models import Community
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    EnterpriseStackedInline,
    HistoryModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
NOTHING = "—"
STATUS_COLOURS = {
    SopStatus.IN_REVIEW: "warning",
    SopStatus.ACTIVE: "success",
    EnrolmentStatus.PAUSED: "warning",
    EnrolmentStatus.COMPLETED: "info",
    SopTaskStatus.OPEN: "warning",
    SopTaskStatus.DONE: "success",
    SopTaskStatus.FAILED: "danger",
}


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        """What a list may hold is the verb's to say."""

    def run_validators(self, value: Any) -> None:
        """Likewise."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class StepForm(EnterpriseForm):
    items = LinesField(
        label=_("清单"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("只用于人工清单，一行一件要做的事。"),
    )

    class Meta:
        model = SopStep
        fields = sop_plans.STEP_FIELDS


class Steps(EnterpriseStackedInline[SopStep, SopPlan]):
    """What happens on which day; saved together with the plan by one verb."""

    model = SopStep
    form = StepForm
    view_capability = VIEW
    add_capability = COMPOSE
    change_capability = COMPOSE
    delete_capability = COMPOSE
    readonly_fields = ("to_do",)
    ordering = ("day_offset", "local_time", "pk")
    show_title = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("day_offset", "local_time", "kind"),
            ("title", "category"),
            "body",
            "content_version",
            "items" if self.has_change_permission(request, obj) else "to_do",
        )

    @display(description=_("清单"))
    def to_do(self, step: SopStep) -> str:
        return "\n".join(step.items) or NOTHING

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and is_draft(obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and is_draft(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and is_draft(obj)


def is_draft(plan: SopPlan | None) -> bool:
    return plan is None or plan.status == SopStatus.DRAFT


class ReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("原因"), max_length=300, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )


class EnrolDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    communities = forms.ModelMultipleChoiceField(
        label=_("社群"),
        queryset=Community.objects.none(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("这些社群里属于这个渠道账号的群都会执行。"),
    )
    begins_on = forms.DateField(
        label=_("第 0 天"),
        required=False,
        widget=UnfoldAdminSingleDateWidget,
        help_text=_("留空是今天；已过时间的步骤跳过。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        communities = Community.objects.visible_to(admin_user(self.request))
        self.fields["communities"].queryset = communities.order_by("name", "pk")


class TickDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    items = forms.MultipleChoiceField(
        label=_("做完的"), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tasks = SopTask.objects.visible_to(admin_user(self.request)).select_related("step")
        task = tasks.filter(pk=self.object_id).first() if str(self.object_id).isdigit() else None
        if task is not None:
            self.fields["items"].choices = list(enumerate(task.step.items))
            self.initial["items"] = task.done_items


@admin.register(SopPlan)
class SopPlanAdmin(EnterpriseModelAdmin[SopPlan]):
    view_capability = VIEW
    add_capability = COMPOSE
    change_capability = COMPOSE
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "compose": COMPOSE,
        "approve": Capability.APPROVE_CAMPAIGNS,
    }
    list_display = ("name", "status_label", "channel_account", "author", "approved_by")
    list_filter = (("status", MultipleChoicesDropdownFilter),)
    list_select_related = ("channel_account", "author", "approved_by")
    search_fields = ("name",)
    fields = (("name", "channel_account"),)
    inlines = (Steps,)
    ordering = ("-pk",)
    actions_detail = ("submit", "approve", "return_to_draft", "enrol", "retire")

    def has_change_permission(self, request: HttpRequest, obj: SopPlan | None = None) -> bool:
        return super().has_change_permission(request, obj) and is_draft(obj)

    def idle_buttons(self, row: SopPlan) -> set[str]:
        idle = {
            button
            for button, verb in BUTTONS.items()
            if verb in SOP_MOVES and row.status not in SOP_MOVES[verb][0]
        }
        return idle | (set() if row.status == SopStatus.ACTIVE else {"enrol"})

    # --- saving: a plan and its steps are one thing ---

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With its steps, below."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        plan, actor = form.instance, admin_user(request)
        values = dict(form.cleaned_data)
        if change:
            values = {name: values[name] for name in form.changed_data}
        if not change or any(formset.has_changed() for formset in formsets):
            values["steps"] = [step for formset in formsets for step in steps_in(formset)]
        if change:
            sop_plans.edit_sop_plan(plan.pk, actor=actor, **values)
        else:
            plan.pk = sop_plans.create_sop_plan(actor=actor, **values).pk
            plan._state.adding = False
        for formset in formsets:
            formset.save(commit=False)  # tells Django's own diary what changed
        plan.refresh_from_db()

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, plan: SopPlan) -> tuple[str, str]:
        return plan.status, plan.get_status_display()

    # --- buttons ---

    @action(
        description=_("送审"),
        icon="send",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog=confirm(_("送审这个 SOP？"), _("送审后不能修改；需要另一位同事批准。")),
    )
    def submit(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_plans.submit_sop_plan
        return self.run_on_row(request, object_id, verb, done=gettext("已送审。"))

    @action(
        description=_("批准"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog=confirm(_("批准这个 SOP？"), _("其中的消息到时自动发送，不再逐条审批。")),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_plans.approve_sop_plan
        return self.run_on_row(request, object_id, verb, done=gettext("已批准。"))

    @action(
        description=_("退回草稿"),
        icon="undo",
        permissions=["compose"],
        dialog={**confirm(_("退回草稿？")), "form_class": ReasonDialog},
    )
    def return_to_draft(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            sop_plans.return_sop_plan,
            done=gettext("已退回草稿。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("让群执行"),
        icon="playlist_add",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={**confirm(_("哪些社群的群执行？")), "form_class": EnrolDialog},
    )
    def enrol(self, request: HttpRequest, form: EnrolDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            sop_enrolling.enrol_communities,
            done=gettext("已开始执行。"),
            communities=form.cleaned_data["communities"],
            begins_on=form.cleaned_data["begins_on"],
        )

    @action(
        description=_("停用"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog=confirm(_("停用这个 SOP？"), _("还没到时间的都不再发生，不能恢复。")),
    )
    def retire(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_plans.retire_sop_plan
        return self.run_on_row(request, object_id, verb, done=gettext("已停用。"))


BUTTONS = {
    "submit": "submit_sop_plan",
    "approve": "approve_sop_plan",
    "return_to_draft": "return_sop_plan",
    "retire": "retire_sop_plan",
    "pause": "pause_sop",
    "resume": "resume_sop",
    "cancel": "cancel_sop",
}


def steps_in(formset: Any) -> list[dict[str, Any]]:
    return [
        {name: row[name] for name in sop_plans.STEP_FIELDS if name in row}
        for row in formset.cleaned_data
        if row and not row.get("DELETE")
    ]


@admin.register(SopEnrolment)
class SopEnrolmentAdmin(HistoryModelAdmin[SopEnrolment]):
    """Which chats follow which plan."""

    view_capability = VIEW
    action_capabilities: ClassVar[dict[str, Capability]] = {"compose": COMPOSE}
    list_display = ("chat", "plan", "begins_on", "status_label", "enrolled_by")
    list_filter = ("plan", ("status", MultipleChoicesDropdownFilter))
    list_select_related = ("chat", "plan", "enrolled_by")
    search_fields = ("chat__name", "plan__name")
    fields = (("plan", "chat"), ("begins_on", "status"), ("enrolled_by", "enrolled_at"))
    ordering = ("-pk",)
    actions_detail = ("pause", "resume", "cancel")

    def idle_buttons(self, row: SopEnrolment) -> set[str]:
        return {
            button
            for button, verb in BUTTONS.items()
            if verb in ENROLMENT_MOVES and row.status not in ENROLMENT_MOVES[verb][0]
        }

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, enrolment: SopEnrolment) -> tuple[str, str]:
        return enrolment.status, enrolment.get_status_display()

    @action(
        description=_("暂停"),
        icon="pause",
        permissions=["compose"],
        dialog=confirm(_("暂停这个群的 SOP？"), _("暂停期间到期的步骤会跳过。")),
    )
    def pause(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_enrolling.pause_sop
        return self.run_on_row(request, object_id, verb, done=gettext("已暂停。"))

    @action(
        description=_("继续"),
        icon="play_arrow",
        permissions=["compose"],
        dialog=confirm(_("继续这个群的 SOP？"), _("从现在起的步骤照常。")),
    )
    def resume(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_enrolling.resume_sop
        return self.run_on_row(request, object_id, verb, done=gettext("已继续。"))

    @action(
        description=_("结束"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog=confirm(_("结束这个群的 SOP？"), _("不能恢复。")),
    )
    def cancel(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = sop_enrolling.cancel_sop
        return self.run_on_row(request, object_id, verb, done=gettext("已结束。"))


@admin.register(SopTask)
class SopTaskAdmin(HistoryModelAdmin[SopTask]):
    """Every step of every chat, and the checklists to tick."""

    view_capability = VIEW
    action_capabilities: ClassVar[dict[str, Capability]] = {"compose": COMPOSE}
    list_display = ("chat_name", "step", "due_at", "status_label", "why")
    list_filter = (("status", MultipleChoicesDropdownFilter), "enrolment__plan")
    list_select_related = ("enrolment__chat", "step")
    search_fields = ("enrolment__chat__name", "step__title")
    fields = (("chat_name", "step"), ("due_at", "status"), "checklist", "why", "run", "done_by")
    readonly_fields = ("chat_name", "checklist", "why")
    ordering = ("-due_at", "-pk")
    actions_detail = ("tick", "skip")

    def idle_buttons(self, row: SopTask) -> set[str]:
        if row.status == SopTaskStatus.OPEN:
            return set()
        return {"tick"} if row.status == SopTaskStatus.PLANNED else {"tick", "skip"}

    @display(description=_("客户群"), ordering="enrolment__chat__name")
    def chat_name(self, task: SopTask) -> str:
        return task.enrolment.chat.name

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, task: SopTask) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @display(description=_("说明"))
    def why(self, task: SopTask) -> str:
        return reason_in_words(task.reason)

    @display(description=_("清单"))
    def checklist(self, task: SopTask) -> SafeString | str:
        ticked = set(task.done_items)
        rows = (
            ("☑" if place in ticked else "☐", item) for place, item in enumerate(task.step.items)
        )
        return format_html_join("", "<div>{} {}</div>", rows) or NOTHING

    @action(
        description=_("勾选清单"),
        icon="checklist",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={**confirm(_("哪些做完了？")), "form_class": TickDialog},
    )
    def tick(self, request: HttpRequest, form: TickDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            sop_tasks.tick_sop_items,
            done=gettext("已保存。"),
            items=[int(place) for place in form.cleaned_data["items"]],
        )

    @action(
        description=_("跳过"),
        icon="skip_next",
        permissions=["compose"],
        dialog={**confirm(_("跳过这一步？")), "form_class": ReasonDialog},
    )
    def skip(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            sop_tasks.skip_sop_task,
            done=gettext("已跳过。"),
            reason=form.cleaned_data["reason"],
        )
