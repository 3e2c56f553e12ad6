"""The branches of a split on the page of its plan."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from communities.models import GroupChat, SplitBranch, SplitPlan
from communities.rules.status import SplitStatus
from members.admin.split_words import people_in_words, progress_in_words, values_in_words
from members.selectors.splits import with_progress
from members.services.splitting import choose_branch, rename_branch, skip_branch
from scrm.accounts.admin_scope import EnterpriseTabularInline
from scrm.accounts.rules.roles import Capability


class Branches(EnterpriseTabularInline[SplitBranch, SplitPlan]):
    """While the plan is a draft, a table to be filled in; afterwards, how far it has come."""

    model = SplitBranch
    view_capability = Capability.VIEW_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    verbose_name_plural = _("分支")
    ordering = ("-member_count", "pk")
    show_title = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[SplitBranch]:
        rows = with_progress(super().get_queryset(request))
        chats = GroupChat.objects.live().filter(community=models.OuterRef("child"))
        rows = rows.annotate(has_chat=models.Exists(chats))
        return rows.select_related("plan", "child").prefetch_related("values")

    def get_fields(self, request: HttpRequest, obj: SplitPlan | None = None) -> Any:
        if obj is None or obj.status == SplitStatus.DRAFT:
            return ("combination", "people", "name", "is_chosen", "override_reason")
        return ("name", "combination", "people", "community", "progress", "in_parent")

    def get_readonly_fields(self, request: HttpRequest, obj: SplitPlan | None = None) -> Any:
        computed = ("combination", "people", "community", "progress", "in_parent")
        return computed if obj is None or obj.status == SplitStatus.DRAFT else ("name", *computed)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_fixed = isinstance(obj, SplitPlan) and obj.status != SplitStatus.DRAFT
        return super().has_change_permission(request, obj) and not is_fixed

    @display(description=_("分类"))
    def combination(self, branch: SplitBranch) -> str:
        return values_in_words(branch)

    @display(description=_("人数"))
    def people(self, branch: SplitBranch) -> SafeString | str:
        return people_in_words(branch.member_count, minimum_size=branch.plan.minimum_size)

    @display(description=_("子社群"))
    def community(self, branch: Any) -> SafeString | str:
        if branch.child is None:
            return gettext("未成群")
        state = branch.child.get_status_display()
        if not branch.has_chat:
            state = gettext("%(state)s，还没有客户群") % {"state": state}
        url = reverse("admin:communities_community_change", args=[branch.child.pk])
        link = '<a class="text-primary-600" href="{}">{}</a>'
        return format_html(link, url, state)

    @display(description=_("进度"))
    def progress(self, branch: SplitBranch) -> SafeString | str:
        return progress_in_words(branch)

    @display(description=_("仍在母社群"))
    def in_parent(self, branch: Any) -> str:
        return str(branch.still_in_parent_count if branch.child else branch.member_count)


def decide_branch(branch: SplitBranch, changed: set[str], *, actor: Any) -> None:
    """What was typed into one row of the table, as verbs."""
    if "name" in changed:
        rename_branch(branch.pk, name=branch.name, actor=actor)
    if not changed & {"is_chosen", "override_reason"}:
        return
    if branch.is_chosen:
        choose_branch(branch.pk, override_reason=branch.override_reason, actor=actor)
    else:
        skip_branch(branch.pk, actor=actor)
