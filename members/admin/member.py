from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from communities.models import Community
from members.admin.classification import Classifications, ClassifiedAsFilter, ClassifyButton
from members.admin.consent import ConsentButton, Consents
from members.admin.erasing import EraseButton
from members.admin.follow import Follows
from members.admin.profile import ProfilePanel
from members.admin.stay import PRESENCE_COLOURS, StayInline, presence
from members.admin.tag import TagActions, TagFilter, Tags
from members.admin.tier import TierButtons, TierPeriods
from members.admin.words import NOTHING, clause_table
from members.models import EntryApplication, Member, MemberDay, Membership
from members.rules.birthdays import birthday_number, birthday_words
from members.rules.phones import masked
from members.rules.status import ApplicationStatus, JoinSource
from members.services.joining import apply_for_entry, invite_member
from members.services.registering import edit_member, register_member
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError

DAYS_SHOWN = 60


class Memberships(EnterpriseTabularInline[Membership, Member]):
    model = Membership
    view_capability = Capability.VIEW_MEMBERS
    fields = ("community", "presence_label", "source", "joined_at", "left_at")
    readonly_fields = fields
    ordering = ("-pk",)
    show_change_link = True
    tab = True

    @display(description=_("状态"), label=PRESENCE_COLOURS)
    def presence_label(self, membership: Membership) -> tuple[str, str]:
        return presence(membership)


class Stays(StayInline[Member]):
    tab = True


class Applications(EnterpriseTabularInline[EntryApplication, Member]):
    model = EntryApplication
    view_capability = Capability.VIEW_MEMBERS
    fields = ("community", "status", "results", "reason", "submitted_at", "decided_by")
    readonly_fields = fields
    ordering = ("-pk",)
    show_change_link = True
    tab = True

    @display(description=_("逐条结果"))
    def results(self, application: EntryApplication) -> SafeString | str:
        return clause_table(application.clauses)


class RecentDays(EnterpriseTabularInline[MemberDay, Member]):
    model = MemberDay
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("近 60 天的活跃")
    fields = (
        "day",
        "community",
        "message_count",
        "post_count",
        "comment_count",
        "checkin_count",
        "click_count",
        "other_count",
    )
    readonly_fields = fields
    ordering = ("-day", "pk")
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[MemberDay]:
        since = timezone.localdate() - timedelta(days=DAYS_SHOWN)
        days: models.QuerySet[MemberDay] = super().get_queryset(request)
        return days.filter(day__gt=since).select_related("community")


class BirthdayFormField(forms.CharField):
    """Month and day, written in any usual way."""

    def prepare_value(self, value: Any) -> Any:
        return birthday_words(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        number = birthday_number(text)
        if number is None:
            raise forms.ValidationError(gettext("写成月和日，例如 03-08。"), "bad_birthday")
        return number

    def has_changed(self, initial: Any, data: Any) -> bool:
        return birthday_words(initial) != (data or "").strip()


def birthday_field() -> BirthdayFormField:
    return BirthdayFormField(
        label=_("生日"),
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("月和日，例如 03-08；年份不保存。"),
    )


class MemberForm(EnterpriseForm):
    birthday = birthday_field()

    class Meta:
        model = Member
        fields = ("nickname", "birthday")


class NewMemberForm(EnterpriseForm):
    birthday = birthday_field()
    phone = forms.CharField(
        label=_("手机号"), max_length=40, required=False, widget=UnfoldAdminTextInputWidget
    )

    class Meta:
        model = Member
        fields = ("external_id", "nickname", "phone", "birthday")


class PhoneDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    phone = forms.CharField(
        label=_("新手机号"),
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("留空表示删除。加密保存，页面上只显示前三位和后四位。"),
    )


class EntryDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    community = forms.ModelChoiceField(
        label=_("社群"), queryset=Community.objects.none(), widget=UnfoldAdminSelect2Widget
    )
    is_invitation = forms.BooleanField(
        label=_("这是邀请"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("只用于“仅邀请”的社群；最低层级仍然要满足。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        communities = Community.objects.visible_to(admin_user(self.request)).open_for_entry()
        self.fields["community"].queryset = communities.order_by("name", "pk")


@admin.register(Member)
class MemberAdmin(
    TierButtons,
    ClassifyButton,
    ConsentButton,
    EraseButton,
    TagActions,
    ProfilePanel,
    EnterpriseModelAdmin[Member],
):
    form = MemberForm
    view_capability = Capability.VIEW_MEMBERS
    add_capability = Capability.MANAGE_MEMBERS
    change_capability = Capability.MANAGE_MEMBERS
    create_verb = register_member
    update_verb = edit_member
    list_display = ("who", "masked_phone", "community_names", "last_seen", "created_at")
    list_filter = (ClassifiedAsFilter, TagFilter, ("created_at", RangeDateFilter))
    search_fields = ("nickname", "external_id")
    search_help_text = _("昵称或客户编号")
    fields = (("nickname", "external_id"), ("masked_phone", "birthday"), "created_at")
    ordering = ("-pk",)
    inlines = (
        Memberships,
        Applications,
        TierPeriods,
        Classifications,
        Tags,
        Consents,
        Stays,
        Follows,
        RecentDays,
    )
    actions_detail = (
        "apply",
        "change_phone",
        "classify",
        "consent",
        "lock_tier",
        "retier",
        "erase",
    )
    actions = ("add_tag", "remove_tag")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["shared/facts.css", "members/profile.css"]}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Member]:
        now_in = Membership.objects.visible_to(admin_user(request)).active()
        days = MemberDay.objects.visible_to(admin_user(request)).filter(
            member=models.OuterRef("pk")
        )
        return (
            super()
            .get_queryset(request)
            .prefetch_related(
                models.Prefetch(
                    "memberships",
                    now_in.select_related("community").order_by("pk"),
                    to_attr="memberships_now",
                )
            )
            .annotate(last_day=models.Subquery(days.order_by("-day").values("day")[:1]))
        )

    def get_inlines(self, request: HttpRequest, obj: Member | None) -> Any:
        return self.inlines if obj else ()

    def get_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        if obj is None:
            return NewMemberForm.Meta.fields
        if self.has_change_permission(request, obj):
            return super().get_fields(request, obj)
        return (("nickname", "external_id"), ("masked_phone", "born_on"), "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        return () if obj is None else ("external_id", "masked_phone", "born_on", "created_at")

    def get_form(
        self, request: HttpRequest, obj: Member | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewMemberForm
        return super().get_form(request, obj, change=change, **kwargs)

    @display(description=_("成员"), ordering="nickname", header=True)
    def who(self, member: Member) -> list[str]:
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("手机号"))
    def masked_phone(self, member: Member) -> str:
        return masked(member.phone) or NOTHING

    @display(description=_("生日"))
    def born_on(self, member: Member) -> str:
        return birthday_words(member.birthday) or NOTHING

    @display(description=_("所在社群"))
    def community_names(self, member: Any) -> str:
        names = [membership.community.name for membership in member.memberships_now]
        return "、".join(names) or NOTHING

    @display(description=_("最近活跃"), ordering="last_day", empty_value=NOTHING)
    def last_seen(self, member: Any) -> Any:
        return member.last_day

    @action(
        description=_("申请入群"),
        icon="group_add",
        permissions=["change"],
        dialog={
            **confirm(_("申请入群"), _("立即按社群的准入规则决定，没通过会逐条说明。")),
            "form_class": EntryDialog,
        },
    )
    def apply(self, request: HttpRequest, form: EntryDialog, object_id: str) -> HttpResponse:
        member = self.row(request, object_id)
        verb = invite_member if form.cleaned_data["is_invitation"] else apply_for_entry
        try:
            application = verb(
                member,
                community=form.cleaned_data["community"],
                source=JoinSource.ADMIN,
                actor=admin_user(request),
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, "error")
        else:
            self.tell(request, application)
        return self.back_to(request, member)

    def tell(self, request: HttpRequest, application: EntryApplication) -> None:
        levels = {ApplicationStatus.JOINED: "success", ApplicationStatus.REJECTED: "error"}
        words = str(application.get_status_display())
        if application.reason:
            facts = {"status": words, "reason": application.reason}
            words = gettext("%(status)s：%(reason)s") % facts
        level = levels.get(ApplicationStatus(application.status), "warning")
        self.message_user(request, words, level)

    @action(
        description=_("修改手机号"),
        icon="phone_iphone",
        permissions=["change"],
        dialog={**confirm(_("修改手机号")), "form_class": PhoneDialog},
    )
    def change_phone(self, request: HttpRequest, form: PhoneDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            edit_member,
            done=gettext("手机号已修改。"),
            phone=form.cleaned_data["phone"],
        )
