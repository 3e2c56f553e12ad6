"""Who is classified how, since when and why; and how many there are of each."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import (
    MultipleChoicesDropdownFilter,
    MultipleDropdownFilter,
)
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextInputWidget

from communities.models import ClassificationValue
from members.admin.classification_report import ReportForm, matrix_of
from members.models import Member, MemberClassification
from members.rules.standing import ClassificationSource
from members.selectors.classification import classification_report, classified_as
from members.services.classifying import end_classification, grant_classification
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    HistoryModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

STATE_COLOURS = {"in_force": "success", "expired": "warning", "ended": "default"}
MOST_VALUES = 500  # that a filter offers


def state(row: MemberClassification, now: datetime) -> tuple[str, str]:
    if row.ended_at is not None:
        return "ended", gettext("已结束")
    if row.expires_at is not None and row.expires_at <= now:
        return "expired", gettext("已到期")
    return "in_force", gettext("有效")


class InForceFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("现在")
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("in_force", _("有效")), ("over", _("已结束或到期"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        in_force = MemberClassification.objects.in_force(timezone.now()).values("pk")
        match self.value():
            case "in_force":
                return queryset.filter(pk__in=in_force)
            case "over":
                return queryset.exclude(pk__in=in_force)
        return queryset


class ClassifiedAsFilter(MultipleDropdownFilter):  # type: ignore[misc]  # untyped upstream
    """Members who have every chosen value, or one below it."""

    title = _("分类（同时满足）")
    parameter_name = "classified_as"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        values = ClassificationValue.objects.visible_to(admin_user(request)).select_related("axis")
        ordered = values.order_by("axis__name", "axis", "name", "pk")[:MOST_VALUES]
        return [(str(value.pk), f"{value.axis.name}：{value.name}") for value in ordered]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        chosen = [key for key in self.value() or () if key.isascii() and key.isdecimal()]
        if not chosen:
            return queryset
        values = ClassificationValue.objects.visible_to(admin_user(request))
        named = list(values.filter(pk__in=[key[:18] for key in chosen]))
        if len(named) < len(set(chosen)):
            return queryset.none()
        return classified_as(queryset, named, now=timezone.now())


class Classifications(EnterpriseTabularInline[MemberClassification, Member]):
    model = MemberClassification
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("分类")
    fields = ("axis_name", "value", "state_label", "source", "granted_at", "expires_at", "ended_at")
    readonly_fields = fields
    ordering = ("-pk",)
    show_change_link = True
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MemberClassification]:
        rows: models.QuerySet[MemberClassification] = super().get_queryset(request)
        return rows.select_related("value__axis")

    @display(description=_("维度"))
    def axis_name(self, row: MemberClassification) -> str:
        return row.value.axis.name

    @display(description=_("状态"), label=STATE_COLOURS)
    def state_label(self, row: MemberClassification) -> tuple[str, str]:
        return state(row, timezone.now())


class ClassifyDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    value = forms.ModelChoiceField(
        label=_("分类"),
        queryset=ClassificationValue.objects.none(),
        widget=UnfoldAdminSelect2Widget,
    )
    last_day = forms.DateField(
        label=_("有效到"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("当天仍有效；留空表示一直有效。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        values = ClassificationValue.objects.visible_to(admin_user(self.request))
        field = self.fields["value"]
        field.queryset = values.select_related("axis").order_by("axis__name", "axis", "name", "pk")
        field.label_from_instance = lambda value: f"{value.axis.name}：{value.name}"

    def expires_at(self, member: Member) -> datetime | None:
        day = self.cleaned_data["last_day"]
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=1), time.min, tzinfo=member.enterprise.zone)


class ClassifyButton(EnterpriseModelAdmin[Member]):
    """Classifying the member on this page by hand."""

    @action(
        description=_("归类"),
        icon="label",
        permissions=["change"],
        dialog={
            **confirm(_("人工归类"), _("单选维度上会替换同级或更弱来源的值。")),
            "form_class": ClassifyDialog,
        },
    )
    def classify(self, request: HttpRequest, form: ClassifyDialog, object_id: str) -> HttpResponse:
        member = self.row(request, object_id)
        try:
            granted = grant_classification(
                member,
                value=form.cleaned_data["value"],
                source=ClassificationSource.OPERATOR,
                actor=admin_user(request),
                expires_at=form.expires_at(member),
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            done = gettext("已归为“%(value)s”。") % {"value": granted.value}
            self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, member)


@admin.register(MemberClassification)
class MemberClassificationAdmin(HistoryModelAdmin[MemberClassification]):
    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {"end": Capability.MANAGE_MEMBERS}
    list_display = (
        "who",
        "axis_name",
        "value",
        "state_label",
        "source",
        "granted_at",
        "expires_at",
    )
    list_filter = (
        InForceFilter,
        "value__axis",
        ("source", MultipleChoicesDropdownFilter),
    )
    list_before_template = "communities/report_link.html"
    list_select_related = ("member", "value__axis")
    paginator = CappedPaginator
    search_fields = ("member__nickname", "member__external_id", "value__name")
    fields = (
        ("member", "axis_name", "value"),
        ("state_in_words", "source", "granted_by"),
        ("granted_at", "expires_at", "ended_at"),
    )
    readonly_fields = (
        "member",
        "axis_name",
        "value",
        "state_in_words",
        "source",
        "granted_by",
        "granted_at",
        "expires_at",
        "ended_at",
    )
    ordering = ("-pk",)
    actions_detail = ("end",)

    def idle_buttons(self, row: MemberClassification) -> set[str]:
        return set() if row.ended_at is None else {"end"}

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, row: MemberClassification) -> list[str]:
        return [row.member.nickname, row.member.external_id, row.member.nickname[:1]]

    @display(description=_("维度"), ordering="value__axis__name")
    def axis_name(self, row: MemberClassification) -> str:
        return row.value.axis.name

    @display(description=_("状态"))
    def state_in_words(self, row: MemberClassification) -> str:
        return state(row, timezone.now())[1]

    @display(description=_("状态"), label=STATE_COLOURS)
    def state_label(self, row: MemberClassification) -> tuple[str, str]:
        return state(row, timezone.now())

    @action(
        description=_("结束"),
        icon="event_busy",
        variant=ActionVariant.DANGER,
        permissions=["end"],
        dialog=confirm(_("结束这条分类？"), _("从现在起不再属于这个分类，记录保留。")),
    )
    def end(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        done = gettext("分类已结束。")
        return self.run_on_row(request, object_id, end_classification, done=done)

    # --- the report ---

    def get_urls(self) -> list[URLPattern]:
        report = path(
            "report/",
            self.admin_site.admin_view(self.report),
            name="members_memberclassification_report",
        )
        return [report, *super().get_urls()]

    def report(self, request: HttpRequest) -> HttpResponse:
        """How many members there are of every combination of up to three axes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        user = admin_user(request)
        form = ReportForm(request.GET or None, user=user)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("按分类统计成员"),
            "opts": self.opts,
            "form": form,
        }
        if form.is_valid() and form.axes:
            context["report"] = found = classification_report(
                form.axes,
                members=Member.objects.visible_to(user),
                now=timezone.now(),
                community=form.cleaned_data["community"],
                level=form.cleaned_data["level"],
            )
            context["matrix"] = matrix_of(found)
        return TemplateResponse(request, "admin/members/classification_report.html", context)
