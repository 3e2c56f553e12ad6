from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
)

from communities.models import ClassificationAxis, SplitBranch, SplitPlan
from communities.rules.status import SplitStatus, split_may_become
from members.admin.split_branches import Branches, decide_branch
from members.admin.split_words import bar
from members.rules.splitting import MAX_LEVEL
from members.rules.standing import OPEN_INVITATION, InvitationStatus
from members.selectors.splits import preview_split
from members.services.inviting_to_split import invite_branch
from members.services.splitting import (
    cancel_split,
    complete_split,
    draft_split,
    refresh_split,
)
from members.services.starting_splits import start_split
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

STATUS_COLOURS = {
    SplitStatus.DRAFT: "info",
    SplitStatus.RUNNING: "warning",
    SplitStatus.COMPLETED: "success",
}
FRAGMENT = "fragment"
LEVELS = [(level, str(level)) for level in range(1, MAX_LEVEL + 1)]


class SplitForm(EnterpriseForm):
    """Of a new plan. What it comes to is shown below before it is saved."""

    level = forms.TypedChoiceField(
        label=_("按第几级的值"),
        choices=LEVELS,
        coerce=int,
        initial=1,
        widget=UnfoldAdminSelectWidget,
        help_text=_("分类值有上下级时按哪一级拆，1 是最上级。"),
    )
    minimum_size = forms.IntegerField(
        label=_("最小规模"),
        min_value=1,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("留空用社群的最小规模；不到的分支默认不成群。"),
    )


class InviteDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    branches = forms.ModelMultipleChoiceField(
        label=_("邀请哪些分支"),
        queryset=SplitBranch.objects.none(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = str(self.object_id).isdecimal()
        waiting = (
            SplitBranch.objects.visible_to(admin_user(self.request))
            .filter(
                plan=self.object_id if known else None,
                child__isnull=False,
                invitations__status=InvitationStatus.PLANNED,
            )
            .distinct()
        )
        self.fields["branches"].queryset = waiting.order_by("pk")
        self.fields["branches"].label_from_instance = lambda branch: branch.name


@admin.register(SplitPlan)
class SplitPlanAdmin(EnterpriseModelAdmin[SplitPlan]):
    """The wizard: choose and preview, save the draft, choose branches, start, invite."""

    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    action_capabilities: ClassVar[dict[str, Capability]] = {"manage": Capability.MANAGE_COMMUNITIES}
    create_verb = draft_split
    list_display = ("title", "status_label", "cut", "settled", "created_by", "created_at")
    list_filter = (("status", MultipleChoicesDropdownFilter), "community")
    list_select_related = ("community", "created_by")
    list_fullwidth = True
    search_fields = ("community__name",)
    autocomplete_fields = ("community",)
    ordering = ("-pk",)
    actions_detail = ("start", "invite", "refresh", "complete", "cancel")
    add_fieldsets = ((None, {"fields": ("community", "axes", ("level", "minimum_size"))}),)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "community_link",
                    ("status", "cut"),
                    "minimum_size",
                    "history",
                )
            },
        ),
    )
    shown = ("community_link", "status", "cut", "minimum_size", "history")

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[SplitPlan]:
        rows = super().get_queryset(request).prefetch_related("axes")
        invitations = models.Count("branches__invitations")
        still_open = models.Count(
            "branches__invitations",
            filter=models.Q(branches__invitations__status__in=OPEN_INVITATION),
        )
        return rows.annotate(listed_count=invitations, open_count=still_open)

    @display(description=_("母社群"), ordering="community__name")
    def title(self, plan: SplitPlan) -> str:
        return plan.community.name

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, plan: SplitPlan) -> tuple[str, str]:
        return plan.status, plan.get_status_display()

    @display(description=_("按什么拆"))
    def cut(self, plan: SplitPlan) -> str:
        names = " × ".join(axis.name for axis in sorted(plan.axes.all(), key=lambda one: one.pk))
        if plan.level == 1:
            return names
        return gettext("%(axes)s（第 %(level)d 级）") % {"axes": names, "level": plan.level}

    @display(description=_("进度"))
    def settled(self, plan: Any) -> SafeString | str:
        return bar(plan.listed_count - plan.open_count, plan.listed_count)

    @display(description=_("母社群"))
    def community_link(self, plan: SplitPlan) -> SafeString:
        url = reverse("admin:communities_community_change", args=[plan.community_id])
        link = '<a class="text-primary-600" href="{}">{}</a>'
        return format_html(link, url, plan.community.name)

    @display(description=_("经过"))
    def history(self, plan: SplitPlan) -> str:
        steps = [
            (_("%(name)s 制定") % {"name": plan.created_by.username}, plan.created_at),
            (_("开始"), plan.started_at),
            (_("结束"), plan.finished_at),
        ]
        return "；".join(
            f"{date_format(localtime(when), 'm-d H:i')} {what}" for what, when in steps if when
        )

    # --- the form ---

    def get_form(
        self,
        request: HttpRequest,
        obj: SplitPlan | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            kwargs["form"] = SplitForm
        form = super().get_form(request, obj, change=change, **kwargs)
        for name in {"community", "axes"} & set(form.base_fields):
            widget = form.base_fields[name].widget
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return form

    def get_fieldsets(self, request: HttpRequest, obj: SplitPlan | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: SplitPlan | None = None) -> Any:
        return self.shown if obj else ()

    def get_inlines(self, request: HttpRequest, obj: SplitPlan | None) -> Any:
        return (Branches,) if obj else ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "axes":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
            kwargs["queryset"] = ClassificationAxis.objects.order_by("name", "pk")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_fixed = isinstance(obj, SplitPlan) and obj.status != SplitStatus.DRAFT
        return super().has_change_permission(request, obj) and not is_fixed

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if object_id is None and request.GET.get(FRAGMENT) == "preview":
            return self.preview_of_form(request)
        context = {**(extra_context or {}), "show_save_and_add_another": False}
        return super().changeform_view(request, object_id, form_url, context)

    def response_add(
        self, request: HttpRequest, obj: SplitPlan, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the branches: that is where a new plan is worked on."""
        done = gettext("计划已建立，还没有通知任何人。核对下面的分支，再开始拆群。")
        self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, obj)

    def preview_of_form(self, request: HttpRequest) -> HttpResponse:
        """What is chosen, counted before it is saved."""
        if not self.has_add_permission(request):
            return HttpResponse(status=403)
        form = self.get_form(request)(request.POST)
        form.is_valid()
        context: dict[str, Any] = {}
        wanted = ("community", "axes", "level", "minimum_size")
        if not set(wanted) & set(form.errors):
            values = {name: form.cleaned_data[name] for name in wanted}
            try:
                context["preview"] = preview_split(values.pop("community"), **values)
            except DomainError as refusal:
                context["refusal"] = refusal.message
        return render(request, "admin/communities/splitplan/preview.html", context)

    def save_model(self, request: HttpRequest, obj: SplitPlan, form: Any, change: bool) -> None:
        if not change:  # of a draft only the branches can be edited
            super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)  # tells what changed; the verbs do the saving
        for branch, changed in formset.changed_objects:
            decide_branch(branch, set(changed), actor=admin_user(request))

    # --- buttons ---

    def idle_buttons(self, row: SplitPlan) -> set[str]:
        idle = {
            name
            for name, target in (
                ("start", SplitStatus.RUNNING),
                ("complete", SplitStatus.COMPLETED),
                ("cancel", SplitStatus.CANCELLED),
            )
            if not split_may_become(row.status, target)
        }
        if row.status != SplitStatus.DRAFT:
            idle.add("refresh")
        if row.status != SplitStatus.RUNNING:
            idle.add("invite")
        return idle

    @action(
        description=_("开始拆群"),
        icon="call_split",
        variant=ActionVariant.PRIMARY,
        permissions=["manage"],
        dialog=confirm(
            _("开始拆群？"),
            _("再清点一次人数，为勾选的分支建立子社群并开始招募。还不通知任何成员。"),
            submit=_("开始"),
        ),
    )
    def start(self, request: HttpRequest, form: object, object_id: str) -> Any:
        done = gettext("已开始。请先给子社群分配客户群，再邀请成员。")
        return self.run_on_row(request, object_id, start_split, done=done)

    @action(
        description=_("邀请成员"),
        icon="forward_to_inbox",
        variant=ActionVariant.PRIMARY,
        permissions=["manage"],
        dialog={
            **confirm(
                _("邀请成员搬过去？"),
                _("每个分支起草一条群发，附入群页链接；送审、批准后才会发出。"),
                submit=_("起草邀请"),
            ),
            "form_class": InviteDialog,
        },
    )
    def invite(self, request: HttpRequest, form: InviteDialog, object_id: str) -> Any:
        plan = self.row(request, object_id)
        done = gettext("邀请已起草，请到“群发”里送审")
        self.run_on_rows(request, form.cleaned_data["branches"], invite_branch, done=done)
        return self.back_to(request, plan)

    @action(
        description=_("重新清点"),
        icon="refresh",
        permissions=["manage"],
        dialog=confirm(_("重新清点人数？"), _("人工做的决定保留。")),
    )
    def refresh(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, refresh_split, done=gettext("已重新清点。"))

    @action(
        description=_("结束"),
        icon="task_alt",
        permissions=["manage"],
        dialog=confirm(_("结束拆群？"), _("还没有回应的成员留在母社群。")),
    )
    def complete(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, complete_split, done=gettext("已结束。"))

    @action(
        description=_("取消"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["manage"],
        dialog=confirm(_("取消拆群？"), _("不再邀请；已建立的子社群保留。")),
    )
    def cancel(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, cancel_split, done=gettext("已取消。"))
