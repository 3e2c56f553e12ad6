from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.decorators import display

from members.models import EntryApplication, Evidence
from members.models.evidence import EvidenceQuerySet
from members.rules.standing import EvidenceStatus
from members.selectors.evidence_address import photo_path
from scrm.accounts.admin_scope import EnterpriseTabularInline, HistoryModelAdmin, admin_user
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

COLOURS = {
    EvidenceStatus.PENDING: "warning",
    EvidenceStatus.APPROVED: "success",
    EvidenceStatus.REJECTED: "danger",
}
PICTURE = (
    '<a href="{0}" target="_blank" rel="noopener" title="{1}"><img src="{0}" alt="{1}" '
    'loading="lazy" class="rounded-default border border-base-200 dark:border-base-800" {2}></a>'
)
ALARM = '<span class="font-semibold text-red-700 dark:text-red-400">{}</span>'


def as_seen_by(user: User, evidence: models.QuerySet[Evidence]) -> models.QuerySet[Evidence]:
    """With what depends on who looks: the doubles, and for whom the address of the photo is."""
    rows: Any = evidence
    seen: models.QuerySet[Evidence] = rows.with_sightings(user).annotate(
        viewer_id=models.Value(user.pk)
    )
    return seen


class Shown:
    """How a photo and its doubles are shown, on whichever page."""

    @display(description=_("照片"))
    def picture(self, evidence: Evidence) -> SafeString:
        """Its address is for whoever looks at this page, and for five minutes."""
        path = photo_path(evidence.pk, user_id=evidence.viewer_id)  # type: ignore[attr-defined]
        size = format_html('width="{}"', min(evidence.width, 360))
        return format_html(PICTURE, path, gettext("打开原图"), size)

    @display(description=_("同一张照片"))
    def doubles(self, evidence: Evidence) -> SafeString | str:
        count: int = getattr(evidence, "seen_count", 0)
        if not count:
            return gettext("没有其他人用过")
        words = gettext("另有 %(count)d 位成员用过") % {"count": count}
        people: list[dict[str, Any]] = getattr(evidence, "seen_by", [])
        links = format_html_join(
            "、",
            '<a class="underline" href="{}">{}</a>',
            (
                (reverse("admin:members_member_change", args=[one["id"]]), one["nickname"])
                for one in people
            ),
        )
        return format_html("{}<br>{}", format_html(ALARM, words), links)


class EvidenceOfApplication(Shown, EnterpriseTabularInline[Evidence, EntryApplication]):
    """The photos on the page on which the application is decided."""

    model = Evidence
    fk_name = "application"
    verbose_name_plural = _("凭证照片")
    view_capability = Capability.REVIEW_APPLICATIONS
    fields = ("picture", "value", "status", "doubles", "uploaded_at", "reason")
    readonly_fields = fields
    can_delete = False
    max_num = 0
    tab = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return as_seen_by(admin_user(request), rows.select_related("value__axis")).order_by("pk")


class StatusFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("状态")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(EvidenceStatus.choices)

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Evidence]
    ) -> models.QuerySet[Evidence]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class SightingFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("同一张照片")
    parameter_name = "seen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("elsewhere", _("其他人也用过"))]

    def queryset(self, request: HttpRequest, queryset: EvidenceQuerySet) -> EvidenceQuerySet:
        return queryset.seen_elsewhere() if self.value() else queryset


@admin.register(Evidence)
class EvidenceAdmin(Shown, HistoryModelAdmin[Evidence]):
    """Every photo that was handed in. It is decided with its application."""

    view_capability = Capability.REVIEW_APPLICATIONS
    list_display = ("who", "value", "state", "doubles", "uploaded_at", "decided_by")
    list_filter = (StatusFilter, SightingFilter)
    list_select_related = ("member", "value__axis", "decided_by")
    search_fields = ("member__nickname", "member__external_id")
    fields = (
        "picture",
        ("member", "application"),
        ("value", "status"),
        "doubles",
        ("width", "height", "byte_count"),
        ("uploaded_at", "decided_at"),
        ("decided_by", "reason"),
        "classification",
    )
    readonly_fields = (
        "picture",
        "member",
        "application",
        "value",
        "status",
        "doubles",
        "width",
        "height",
        "byte_count",
        "uploaded_at",
        "decided_at",
        "decided_by",
        "reason",
        "classification",
    )
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Evidence]:
        return as_seen_by(admin_user(request), super().get_queryset(request))

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, evidence: Evidence) -> list[str]:
        member = evidence.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("状态"), label=COLOURS)
    def state(self, evidence: Evidence) -> tuple[str, str]:
        return evidence.status, evidence.get_status_display()
