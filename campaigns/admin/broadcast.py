from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns.models import Broadcast, Run
from campaigns.progress_words import STATUS_COLOURS, progress_bar
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.estimates import estimate_audience
from campaigns.selectors.choices import is_available
from campaigns.selectors.progress import progress_of
from campaigns.services import approving, composing, controlling, scheduling
from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from communities.models import Community
from scrm.accounts.admin_gates import admin_user
from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.clock import database_now
from scrm.shared.criteria import Criterion
from scrm.shared.criterion_words import describe_stored
from scrm.shared.errors import DomainError

FRAGMENT = "fragment"


class BroadcastForm(EnterpriseForm):
    criterion = CriterionFormField(label=_("人群条件"), empty=_("没有条件：社群里的所有人。"))

    def clean_criterion(self) -> dict[str, object]:
        criterion: Criterion = self.cleaned_data["criterion"]
        refuse_unknown(criterion, enterprise_id=self.user.enterprise_id)
        return criterion.as_json()


class ReasonDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("原因"), max_length=300, required=False, widget=UnfoldAdminTextInputWidget
    )


class ScheduleDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    scheduled_at = forms.DateTimeField(
        label=_("发送时间"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=_("留空表示立即发送。"),
    )


@admin.register(Broadcast)
class BroadcastAdmin(EnterpriseModelAdmin[Broadcast]):
    """The composer. Only a draft has a form; everything else moves through the buttons."""

    form = BroadcastForm
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "compose": Capability.COMPOSE_CAMPAIGNS,
        "approve": Capability.APPROVE_CAMPAIGNS,
    }
    create_verb = composing.create_broadcast
    update_verb = composing.edit_broadcast
    list_display = ("title", "status_label", "progress", "target", "scheduled_at", "author")
    list_filter = ("status", "category", "target", "communities")
    list_select_related = ("author", "channel_account")
    list_fullwidth = True
    search_fields = ("name",)
    autocomplete_fields = ("communities",)
    ordering = ("-pk",)
    actions_detail = (
        "submit",
        "approve",
        "schedule",
        "pause",
        "resume",
        "unschedule",
        "return_to_draft",
        "cancel",
    )
    fieldsets = (
        (
            _("内容与人群"),
            {
                "fields": (
                    "name",
                    "body",
                    ("category", "target"),
                    "communities",
                    "criterion",
                    "channel_account",
                )
            },
        ),
        (_("错过计划时间"), {"fields": (("misfire_policy", "misfire_grace_minutes"),)}),
    )
    state_fieldset = (
        _("审批与执行"),
        {
            "fields": (
                ("status", "scheduled_at"),
                "status_reason",
                ("author", "last_editor"),
                ("approved_by", "approved_at"),
            )
        },
    )
    readonly_fields = (
        "status",
        "scheduled_at",
        "status_reason",
        "author",
        "last_editor",
        "approved_by",
        "approved_at",
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["campaigns/composer.css"]}

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Broadcast]:
        rows: Any = super().get_queryset(request)
        return rows.with_progress()  # type: ignore[no-any-return]  # our own queryset

    @display(description=_("群发"), ordering="name", header=True)
    def title(self, broadcast: Broadcast) -> list[str]:
        return [broadcast.name, broadcast.get_category_display(), broadcast.name[:1]]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, broadcast: Broadcast) -> tuple[str, str]:
        return broadcast.status, broadcast.get_status_display()

    @display(description=_("进度"))
    def progress(self, broadcast: Broadcast) -> SafeString | str:
        counts: Any = broadcast  # annotated by with_progress()
        return progress_bar(counts.settled_count, counts.recipient_count)

    # --- the form ---

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_fixed = isinstance(obj, Broadcast) and obj.status != BroadcastStatus.DRAFT
        return super().has_change_permission(request, obj) and not is_fixed

    def get_fieldsets(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        if obj is None:
            return self.fieldsets
        content, misfire = self.fieldsets
        if obj.status == BroadcastStatus.DRAFT:
            return (content, misfire, self.state_fieldset)
        shown = content[1]["fields"]
        fields = ["criterion_in_words" if name == "criterion" else name for name in shown]
        return (self.state_fieldset, (content[0], {"fields": fields}), misfire)

    def get_readonly_fields(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "criterion_in_words")

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "body":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 6})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description=_("人群条件"))
    def criterion_in_words(self, broadcast: Broadcast) -> str:
        return describe_stored(broadcast.criterion) if broadcast.criterion else gettext("所有人")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Parts of the page that htmx asks for again are answered by the page itself."""
        broadcast = self.get_object(request, object_id) if object_id else None
        match request.GET.get(FRAGMENT):
            case "estimate" if broadcast is None or broadcast.status == BroadcastStatus.DRAFT:
                return self.estimate_of_form(request, broadcast)
            case "estimate" if broadcast is not None:
                return estimate_page(request, broadcast, list(broadcast.communities.all()))
            case "progress" if broadcast is not None:
                return progress_page(request, broadcast)
        context = {**(extra_context or {}), "panels": panels_of(broadcast)}
        return super().changeform_view(request, object_id, form_url, context)

    def estimate_of_form(self, request: HttpRequest, broadcast: Broadcast | None) -> HttpResponse:
        """What is typed, counted before it is saved."""
        if not self.has_view_permission(request, broadcast):
            return HttpResponse(status=403)
        form = self.get_form(request, broadcast)(request.POST, instance=broadcast)
        draft, chosen = form.instance, ()
        form.is_valid()
        missing = {"body", "communities", "criterion", "channel_account", "target"} & {*form.errors}
        if missing:
            return estimate_page(request, None, [])
        chosen = form.cleaned_data["communities"]
        draft.criterion = form.cleaned_data["criterion"]
        draft.enterprise = admin_user(request).enterprise
        return estimate_page(request, draft, list(chosen))

    # --- buttons ---

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> Any:
        broadcast = self.get_object(request, str(object_id))
        actions = super().get_actions_detail(request, object_id)
        if broadcast is None:
            return []
        user = admin_user(request)
        return [one for one in actions if is_available(one.method.__name__, broadcast, user)]

    @action(
        description=_("送审"),
        icon="send",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog=confirm(_("送审这条群发？"), _("送审后不能修改；需要另一位同事批准。")),
    )
    def submit(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = approving.submit_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已送审。"))

    @action(
        description=_("批准"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["approve"],
        dialog=confirm(_("批准这条群发？"), _("批准后可以排期发送。")),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = approving.approve_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已批准。"))

    @action(
        description=_("退回草稿"),
        icon="undo",
        permissions=["compose"],
        dialog={**confirm(_("退回草稿？"), _("之前的批准作废。")), "form_class": ReasonDialog},
    )
    def return_to_draft(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            approving.return_broadcast_to_draft,
            done=gettext("已退回草稿。"),
            reason=form.cleaned_data["reason"],
        )

    @action(
        description=_("排期发送"),
        icon="schedule_send",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={**confirm(_("什么时候发送？")), "form_class": ScheduleDialog},
    )
    def schedule(self, request: HttpRequest, form: ScheduleDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            scheduling.schedule_broadcast,
            done=gettext("已排期。"),
            scheduled_at=form.cleaned_data["scheduled_at"],
        )

    @action(
        description=_("撤回排期"),
        icon="event_busy",
        permissions=["compose"],
        dialog=confirm(_("撤回排期？"), _("批准仍然有效，可以重新排期。")),
    )
    def unschedule(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = scheduling.unschedule_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已撤回排期。"))

    @action(
        description=_("暂停"),
        icon="pause",
        permissions=["compose"],
        dialog=confirm(_("暂停发送？"), _("正在发的批次会发完，不再开始新的。")),
    )
    def pause(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.pause_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已暂停。"))

    @action(
        description=_("继续"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog=confirm(_("继续发送？"), _("已有结果的收件人不会重发。")),
    )
    def resume(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.resume_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已继续。"))

    @action(
        description=_("取消"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog=confirm(_("取消这条群发？"), _("不能恢复；已经发出的收不回来。")),
    )
    def cancel(self, request: HttpRequest, form: object, object_id: str) -> Any:
        verb = controlling.cancel_broadcast
        return self.run_on_row(request, object_id, verb, done=gettext("已取消。"))


# --- the panels beside the form -----------------------------------------------------------------

SHOWS_ESTIMATE = frozenset(
    {BroadcastStatus.IN_REVIEW, BroadcastStatus.APPROVED, BroadcastStatus.SCHEDULED}
)
STILL_MOVES = frozenset(
    {BroadcastStatus.SCHEDULED, BroadcastStatus.RUNNING, BroadcastStatus.PAUSED}
)


def panels_of(broadcast: Broadcast | None) -> dict[str, Any]:
    is_draft = broadcast is None or broadcast.status == BroadcastStatus.DRAFT
    return {
        "is_draft": is_draft,
        "estimate": is_draft or (broadcast is not None and broadcast.status in SHOWS_ESTIMATE),
        **progress_context(broadcast),
    }


def progress_context(broadcast: Broadcast | None) -> dict[str, Any]:
    if broadcast is None:
        return {}
    run = Run.objects.filter(broadcast=broadcast).order_by("-pk").first()
    return {
        "broadcast": broadcast,
        "run": run,
        "progress": progress_of(run.pk) if run else None,
        "still_moves": broadcast.status in STILL_MOVES,
        "starts": date_format(localtime(broadcast.scheduled_at), "m-d H:i")
        if broadcast.status == BroadcastStatus.SCHEDULED and broadcast.scheduled_at
        else "",
    }


def progress_page(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Asked again every two seconds; when the status has moved, so must the buttons: reload."""
    if request.GET.get("was") != broadcast.status:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = {"panels": progress_context(broadcast)}
    return render(request, "admin/campaigns/broadcast/progress.html", context)


def estimate_page(
    request: HttpRequest, broadcast: Broadcast | None, communities: list[Community]
) -> HttpResponse:
    estimate, refusal = None, ""
    if broadcast is not None:
        try:
            estimate = estimate_audience(broadcast, as_of=database_now(), communities=communities)
        except DomainError as error:
            refusal = error.message
    context = {"estimate": estimate, "refusal": refusal}
    return render(request, "admin/campaigns/broadcast/estimate.html", context)
