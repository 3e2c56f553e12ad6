from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from campaigns.admin.approval_panel import approval_context
from campaigns.admin.broadcast_buttons import BUTTONS, BroadcastButtons
from campaigns.admin.broadcast_form import (
    AUDIENCE,
    CONTENT,
    GUARDS,
    TIMES,
    BroadcastForm,
    is_kept,
    usable_versions,
)
from campaigns.admin.broadcast_panels import (
    attachment_words,
    estimate_of_form,
    estimate_of_row,
    links_of,
    panels_of,
    progress_page,
)
from campaigns.admin.broadcast_planned import planned_page
from campaigns.admin.experiment_panel import experiment_context
from campaigns.admin.forecast_panel import forecast_of_form, forecast_of_row
from campaigns.models import Broadcast
from campaigns.progress_words import NOTHING, STATUS_COLOURS, progress_bar
from campaigns.rules.status import BroadcastStatus
from campaigns.schedule_words import words_of
from campaigns.selectors.approvals import to_be_approved_by
from campaigns.selectors.audience import registry_of
from campaigns.selectors.calendar import schedule_of
from campaigns.services import composing, schedules
from scrm.accounts.admin_gates import admin_user
from scrm.accounts.admin_scope import EnterpriseModelAdmin
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored

FRAGMENT = "fragment"
OF_FORM = {"estimate": estimate_of_form, "forecast": forecast_of_form}
OF_ROW = {"estimate": estimate_of_row, "forecast": forecast_of_row}
STATE = (
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
READ_CONTENT = (
    _("内容"),
    {
        "fields": (
            "name",
            ("category", "target"),
            "channel_account",
            "content_version",
            "body",
            "attached",
        )
    },
)
READ_AUDIENCE = (
    _("人群"),
    {
        "fields": (
            "communities",
            ("segments", "excluded_segments"),
            "criterion_in_words",
            "chosen_chats",
            "freeze_at",
        )
    },
)
READ_TIMES = (_("时间"), {"fields": ("planned", ("misfire_policy", "misfire_grace_minutes"))})
READ_GUARDS = (
    _("防护与成本"),
    {
        "fields": (
            "override_reason",
            ("reminders", "error_budget_percent"),
            "cost",
        )
    },
)
READ_ONLY = (
    "criterion_in_words",
    "attached",
    "chosen_chats",
    "planned",
    "reminders",
    "cost",
)


class ForMeFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """Nobody approves what one wrote oneself."""

    title = _("审批")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("approve", _("等我审批"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset.filter(pk__in=to_be_approved_by(admin_user(request)).values("pk"))


@admin.register(Broadcast)
class BroadcastAdmin(BroadcastButtons, EnterpriseModelAdmin[Broadcast]):
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
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        ForMeFilter,
        "category",
        "target",
        "communities",
        "content_version",
    )
    list_select_related = ("author", "channel_account")
    list_fullwidth = True
    search_fields = ("name",)
    autocomplete_fields = ("communities", "segments", "excluded_segments", "chats")
    ordering = ("-pk",)
    actions_detail = BUTTONS
    fieldsets = (CONTENT, AUDIENCE, TIMES, GUARDS)
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
        js = ("campaigns/composer.js",)

    def get_urls(self) -> list[URLPattern]:
        planned = path(
            "planned/",
            self.admin_site.admin_view(self.planned_view),
            name="campaigns_broadcast_planned",
        )
        return [planned, *super().get_urls()]

    def planned_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return planned_page(request, user=admin_user(request), context=context)

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
        if self.has_change_permission(request, obj):
            return (*self.fieldsets, STATE)
        return (STATE, READ_CONTENT, READ_AUDIENCE, READ_TIMES, READ_GUARDS)

    def get_readonly_fields(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *READ_ONLY)

    def save_model(self, request: HttpRequest, obj: Broadcast, form: Any, change: bool) -> None:
        """The draft and its schedule, or neither."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            self.save_schedule(request, obj, form)

    def save_schedule(self, request: HttpRequest, broadcast: Broadcast, form: Any) -> None:
        rule, actor = form.rule, admin_user(request)
        if rule is not None:
            schedules.set_schedule(broadcast.pk, actor=actor, **rule)
        elif schedule_of(broadcast) is not None:
            schedules.clear_schedule(broadcast.pk, actor=actor)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The verb has kept the related rows with the rest."""

    def verb_fields(self, form: Any) -> list[str]:
        return [name for name in form.cleaned_data if is_kept(name)]

    # --- what is only read ---

    @display(description=_("人群条件"))
    def criterion_in_words(self, broadcast: Broadcast) -> str:
        if not broadcast.criterion:
            return gettext("所有人")
        return describe_stored(broadcast.criterion, registry=registry_of(broadcast.target))

    @display(description=_("附件"))
    def attached(self, broadcast: Broadcast) -> str:
        return "、".join(attachment_words(broadcast)) or NOTHING

    @display(description=_("指定的群"))
    def chosen_chats(self, broadcast: Broadcast) -> str:
        count = broadcast.chats.count()
        return gettext("%(count)d 个") % {"count": count} if count else gettext("全部")

    @display(description=_("什么时候发"))
    def planned(self, broadcast: Broadcast) -> str:
        schedule = schedule_of(broadcast)
        return gettext("发一次") if schedule is None else words_of(schedule)

    @display(description=_("催群主确认"))
    def reminders(self, broadcast: Broadcast) -> str:
        hours = "、".join(map(str, broadcast.remind_after_hours))
        return gettext("提交后 %(hours)s 小时") % {"hours": hours} if hours else NOTHING

    @display(description=_("成本"))
    def cost(self, broadcast: Broadcast) -> str:
        yuan = broadcast.cost_amount / 100
        return gettext("%(yuan)s 元") % {"yuan": f"{yuan:,.2f}"} if yuan else NOTHING

    # --- the page ---

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Parts of the page that htmx asks for again are answered by the page itself."""
        broadcast = self.get_object(request, object_id) if object_id else None
        if part := self.fragment_of(request, broadcast):
            return part
        context = {**(extra_context or {}), "panels": panels_of(broadcast)}
        if broadcast is not None:
            user = admin_user(request)
            context["approval"] = approval_context(broadcast, user=user)
            context["experiment"] = experiment_context(broadcast, user=user)
            context["links"] = links_of(broadcast)
        return super().changeform_view(request, object_id, form_url, context)

    def fragment_of(self, request: HttpRequest, broadcast: Broadcast | None) -> Any:
        asked = request.GET.get(FRAGMENT)
        if asked is None:
            return None
        if not self.has_view_permission(request, broadcast):
            return HttpResponse(status=403)
        if broadcast is None:
            may_write = self.has_add_permission(request)
        else:
            may_write = self.has_change_permission(request, broadcast)
        match asked:
            case "content" if may_write:
                return self.content_of(request, broadcast)
            case "estimate" | "forecast" if may_write and request.method == "POST":
                form = self.get_form(request, broadcast)
                kept = None if broadcast is None else Broadcast.objects.get(pk=broadcast.pk)
                return OF_FORM[asked](request, form(request.POST, instance=kept))
            case "estimate" | "forecast" if broadcast is not None:
                return OF_ROW[asked](request, broadcast)
            case "progress" if broadcast is not None:
                return progress_page(request, broadcast)
        return None

    def content_of(self, request: HttpRequest, broadcast: Broadcast | None) -> HttpResponse:
        """What a version of the library says, to be filled into the form."""
        asked = request.GET.get("version", "")
        versions = usable_versions(admin_user(request), broadcast)
        version = versions.filter(pk=asked).first() if asked.isdecimal() else None
        if version is None:
            raise Http404
        return JsonResponse(
            {
                "body": version.body,
                "attachments": version.attachments,
                "category": version.content.category,
            }
        )
