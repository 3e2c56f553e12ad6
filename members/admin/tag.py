"""Tags, and putting them on many members at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelect2Widget

from members.models import Member, MemberTag, Tag
from members.services.tagging import create_tag, rename_tag, tag_members, untag_members
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
)
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

MOST_TAGS = 500  # that a filter offers


class TagFilter(DropdownFilter):  # type: ignore[misc]  # untyped upstream
    title = _("标签")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        tags = Tag.objects.visible_to(admin_user(request)).order_by("name", "pk")[:MOST_TAGS]
        return [(tag.code, tag.name) for tag in tags]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        if not self.value() or not str(self.value()).isprintable():
            return queryset
        tags = Tag.objects.visible_to(admin_user(request)).filter(code=self.value())
        worn = MemberTag.objects.current().filter(tag__in=tags)
        return queryset.filter(pk__in=worn.values("member"))


class Tags(EnterpriseTabularInline[MemberTag, Member]):
    model = MemberTag
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("标签")
    fields = ("tag", "added_by", "added_at", "removed_at")
    readonly_fields = fields
    ordering = ("removed_at", "-pk")
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MemberTag]:
        rows: models.QuerySet[MemberTag] = super().get_queryset(request)
        return rows.select_related("tag", "added_by")


class TagForm(forms.Form):
    tag = forms.ModelChoiceField(
        label=_("标签"), queryset=Tag.objects.none(), widget=UnfoldAdminSelect2Widget
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        tags = Tag.objects.visible_to(user).order_by("name", "pk")
        self.fields["tag"].queryset = tags  # type: ignore[attr-defined]  # a choice of rows


class TagActions(EnterpriseModelAdmin[Member]):
    """Tagging the selected members: first the tag is asked for, then everybody gets it."""

    @admin.action(description=_("打标签"), permissions=["change"])
    def add_tag(
        self, request: HttpRequest, queryset: models.QuerySet[Member]
    ) -> HttpResponse | None:
        return self._ask_or_tag(request, queryset, tag_members, title=gettext("打标签"))

    @admin.action(description=_("去掉标签"), permissions=["change"])
    def remove_tag(
        self, request: HttpRequest, queryset: models.QuerySet[Member]
    ) -> HttpResponse | None:
        return self._ask_or_tag(request, queryset, untag_members, title=gettext("去掉标签"))

    def _ask_or_tag(
        self,
        request: HttpRequest,
        members: models.QuerySet[Member],
        verb: Callable[..., int],
        *,
        title: str,
    ) -> HttpResponse | None:
        user = admin_user(request)
        form = TagForm(request.POST if "tag" in request.POST else None, user=user)
        if form.is_valid():
            tag: Tag = form.cleaned_data["tag"]
            changed = verb(tag.pk, members=members, actor=user)
            words = {"title": title, "tag": tag.name, "count": changed}
            done = gettext("%(title)s“%(tag)s”：%(count)d 位成员有变化。") % words
            self.message_user(request, done, messages.SUCCESS)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "count": members.count(),
            "action": request.POST["action"],
            "across": request.POST.get("select_across", "0"),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/members/tag_members.html", context)


@admin.register(Tag)
class TagAdmin(EnterpriseModelAdmin[Tag]):
    view_capability = Capability.VIEW_MEMBERS
    add_capability = Capability.MANAGE_MEMBERS
    change_capability = Capability.MANAGE_MEMBERS
    create_verb = create_tag
    update_verb = rename_tag
    list_display = ("name", "code", "wearer_count")
    search_fields = ("name", "code")
    fields = ("name", "code")
    ordering = ("name", "pk")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Tag]:
        worn = models.Count("members", filter=models.Q(members__removed_at=None))
        return super().get_queryset(request).annotate(worn_by=worn)

    def get_readonly_fields(self, request: HttpRequest, obj: Tag | None = None) -> Any:
        return () if obj is None else ("code",)

    @display(description=_("现有人数"), ordering="worn_by")
    def wearer_count(self, tag: Any) -> int:
        return int(tag.worn_by)
