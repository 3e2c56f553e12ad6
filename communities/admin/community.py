from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from communities.admin.community_facts import facts_of
from communities.admin.community_form import CommunityForm
from communities.admin.moves import MOVES, move_button, name_of
from communities.admin.policy_dialog import PolicyDialog
from communities.admin.split_button import SplitDialog, SplitPlans, open_split
from communities.models import Community, EntryPolicy, GroupChat
from communities.rules.status import MAY_BE_SPLIT, ChatState, CommunityStatus, may_become
from communities.selectors import undersized, with_sizes
from communities.services.founding import create_community, edit_community
from communities.services.gatekeeping import set_entry_policy
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored

STATUS_COLOURS = {
    CommunityStatus.RECRUITING: "info",
    CommunityStatus.WARMING: "info",
    CommunityStatus.ACTIVE: "success",
    CommunityStatus.PAUSED: "warning",
    CommunityStatus.CLOSING: "warning",
    CommunityStatus.DISSOLVED: "danger",
    CommunityStatus.CANCELLED: "danger",
}
CHAT_COLOURS = {
    ChatState.ACTIVE: "success",
    ChatState.FULL: "warning",
    ChatState.TRANSFERRING: "info",
    ChatState.DISSOLVED: "danger",
}


class PolicyHistory(EnterpriseTabularInline[EntryPolicy, Community]):
    """Every version, the one in force first. A change is a new version, made by the button."""

    model = EntryPolicy
    view_capability = Capability.VIEW_COMMUNITIES
    verbose_name_plural = _("准入规则的历史")
    fields = (
        "version",
        "mode",
        "threshold",
        "photos",
        "review_hours",
        "requalify_days",
        "is_active",
        "created_by",
        "created_at",
    )
    readonly_fields = fields
    ordering = ("-version",)
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[EntryPolicy]:
        versions: models.QuerySet[EntryPolicy] = super().get_queryset(request)
        return versions.prefetch_related("evidence_axes")

    @display(description=_("门槛"))
    def threshold(self, policy: EntryPolicy) -> str:
        return describe_stored(policy.criterion)

    @display(description=_("需要的凭证"))
    def photos(self, policy: EntryPolicy) -> str:
        return "、".join(axis.name for axis in policy.evidence_axes.all()) or "—"


class Carriers(EnterpriseTabularInline[GroupChat, Community]):
    model = GroupChat
    view_capability = Capability.VIEW_COMMUNITIES
    verbose_name_plural = _("客户群")
    fields = ("name", "external_id", "people", "state", "owner")
    readonly_fields = fields
    ordering = ("pk",)
    show_change_link = True
    tab = True

    @display(description=_("人数"))
    def people(self, chat: GroupChat) -> str:
        return f"{chat.member_count} / {chat.capacity}"


class Branches(EnterpriseTabularInline[Community, Community]):
    model = Community
    fk_name = "parent"
    view_capability = Capability.VIEW_COMMUNITIES
    verbose_name_plural = _("下级社群")
    fields = ("name", "code", "kind", "status", "owner")
    readonly_fields = fields
    ordering = ("pk",)
    show_change_link = True
    tab = True


class SizeFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("规模")
    parameter_name = "undersized"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("规模不足"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Community]
    ) -> models.QuerySet[Community]:
        if self.value() is None:
            return queryset
        small = undersized(Community.objects.all(), now=timezone.now())
        return queryset.filter(pk__in=small.values("pk"))


@admin.register(Community)
class CommunityAdmin(EnterpriseModelAdmin[Community]):
    form = CommunityForm
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_community
    update_verb = edit_community
    list_display = (
        "title",
        "status_label",
        "kind",
        "classification",
        "minimum_tier",
        "people",
        "threshold",
        "owner",
        "parent",
    )
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        SizeFilter,
        ("kind", MultipleChoicesDropdownFilter),
        ("circle", MultipleChoicesDropdownFilter),
        "classification_values",
        "minimum_tier",
        "owner",
        "parent",
    )
    list_select_related = ("minimum_tier", "owner", "parent")
    list_fullwidth = True
    search_fields = ("name", "code", "audience_statement", "purpose_statement")
    autocomplete_fields = (
        "parent",
        "owner",
        "backup_owner",
        "adviser",
        "classification_values",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "code"),
                    "audience_statement",
                    "purpose_statement",
                    "status",
                )
            },
        ),
        (
            _("类型与分类"),
            {
                "fields": (
                    ("kind", "circle", "purpose_kind"),
                    ("classification_values", "minimum_tier"),
                    "parent",
                )
            },
        ),
        (
            _("负责人与规模"),
            {"fields": (("owner", "backup_owner", "adviser"), ("minimum_size", "target_size"))},
        ),
        (_("发送"), {"fields": ("allowed_categories", "advert_share_limit")}),
    )
    readonly_fields = ("status",)
    ordering = ("-pk",)
    inlines = (PolicyHistory, Carriers, Branches, SplitPlans)
    actions_detail = ("edit_threshold", "split", *(name_of(target) for target in MOVES))

    move_to_recruiting = move_button(CommunityStatus.RECRUITING)
    move_to_warming = move_button(CommunityStatus.WARMING)
    move_to_active = move_button(CommunityStatus.ACTIVE)
    move_to_paused = move_button(CommunityStatus.PAUSED)
    move_to_closing = move_button(CommunityStatus.CLOSING)
    move_to_dissolved = move_button(CommunityStatus.DISSOLVED)
    move_to_archived = move_button(CommunityStatus.ARCHIVED)
    move_to_cancelled = move_button(CommunityStatus.CANCELLED)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Community]:
        in_force = models.Prefetch(
            "entry_policies", EntryPolicy.objects.active(), to_attr="policies_in_force"
        )
        rows = with_sizes(super().get_queryset(request))
        return rows.prefetch_related("classification_values", in_force)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["shared/facts.css"]}
        js: ClassVar[list[str]] = ["shared/copy.js"]

    def get_inlines(self, request: HttpRequest, obj: Community | None) -> Any:
        return self.inlines if obj else ()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        community = self.get_object(request, object_id) if object_id else None
        facts = facts_of(community, user=admin_user(request)) if community else None
        context = {**(extra_context or {}), "facts": facts}
        return super().changeform_view(request, object_id, form_url, context)

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> Any:
        """Only the moves that exist from where the community is."""
        row = self.get_object(request, str(object_id))
        current = row.status if row else ""
        closed = {
            f"{self.opts.app_label}_{self.opts.model_name}_{name_of(target)}"
            for target in MOVES
            if not may_become(current, target)
        }
        if current not in MAY_BE_SPLIT:
            closed.add(f"{self.opts.app_label}_{self.opts.model_name}_split")
        buttons: list[Any] = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.action_name not in closed]

    @display(description=_("社群"), ordering="name", header=True)
    def title(self, community: Community) -> list[str]:
        return [community.name, community.code, community.name[:1]]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, community: Community) -> tuple[str, str]:
        return community.status, community.get_status_display()

    @display(description=_("分类"))
    def classification(self, community: Community) -> str:
        return "、".join(value.name for value in community.classification_values.all()) or "—"

    @display(description=_("人数 / 容量"), ordering="member_count")
    def people(self, community: Any) -> str:
        return f"{community.member_count} / {community.capacity}" if community.pk else "—"

    @display(description=_("准入"))
    def threshold(self, community: Any) -> str:
        in_force: list[EntryPolicy] = getattr(community, "policies_in_force", [])
        if not in_force:
            return gettext("未设定")
        policy = in_force[0]
        if not policy.criterion:
            return str(policy.get_mode_display())
        facts = {"mode": policy.get_mode_display(), "words": describe_stored(policy.criterion)}
        return gettext("%(mode)s：%(words)s") % facts

    @action(
        description=_("设定准入规则"),
        icon="rule",
        permissions=["change"],
        dialog={
            **confirm(
                _("设定准入规则"),
                _("保存后成为新版本并立即生效：未决定的申请按新版本重新核对，已决定的保留原版本。"),
                submit=_("生效"),
            ),
            "form_class": PolicyDialog,
        },
    )
    def edit_threshold(self, request: HttpRequest, form: PolicyDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            set_entry_policy,
            done=gettext("新的准入规则已生效。"),
            **form.terms(),
        )

    @action(
        description=_("拆群"),
        icon="call_split",
        permissions=["change"],
        dialog={
            **confirm(
                _("先养大再分：按什么拆？"),
                _("下一步先看每个分支有多少人，不会通知任何人。"),
                submit=_("看看会怎样"),
            ),
            "form_class": SplitDialog,
        },
    )
    def split(self, request: HttpRequest, form: SplitDialog, object_id: str) -> Any:
        return open_split(request, self.row(request, object_id), form.cleaned_data["axes"])
