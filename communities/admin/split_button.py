"""The way from a community to splitting it. The plan itself is made on its own page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from communities.models import ClassificationAxis, Community, SplitPlan
from communities.rules.status import SplitStatus
from scrm.accounts.admin_scope import EnterpriseTabularInline, admin_user
from scrm.accounts.rules.roles import Capability

PAGE = "admin:communities_splitplan_"
OPEN_PLAN = (SplitStatus.DRAFT, SplitStatus.RUNNING)


class SplitDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    axes = forms.ModelMultipleChoiceField(
        label=_("按什么拆"),
        queryset=ClassificationAxis.objects.none(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("选一个维度，或几个维度的组合，例如地区 × 品种。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        axes = ClassificationAxis.objects.visible_to(admin_user(self.request))
        self.fields["axes"].queryset = axes.order_by("name", "pk")


class SplitPlans(EnterpriseTabularInline[SplitPlan, Community]):
    """How this community was split, or is about to be."""

    model = SplitPlan
    view_capability = Capability.VIEW_COMMUNITIES
    verbose_name_plural = _("拆群计划")
    fields = ("status", "minimum_size", "created_by", "created_at", "started_at", "finished_at")
    readonly_fields = fields
    ordering = ("-pk",)
    show_change_link = True
    tab = True


def open_split(request: HttpRequest, community: Community, axes: Any) -> HttpResponse:
    """To the plan that is under way, or to a new one with the preview of these axes."""
    plan = SplitPlan.objects.filter(community=community, status__in=OPEN_PLAN).first()
    try:
        url = page_of(plan) if plan else new_plan(community, axes)
    except NoReverseMatch:  # nobody above offers to split
        url = reverse("admin:communities_community_change", args=[community.pk])
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def page_of(plan: SplitPlan) -> str:
    return reverse(f"{PAGE}change", args=[plan.pk])


def new_plan(community: Community, axes: Any) -> str:
    chosen = ",".join(str(axis.pk) for axis in axes)
    return f"{reverse(f'{PAGE}add')}?{urlencode({'community': community.pk, 'axes': chosen})}"
