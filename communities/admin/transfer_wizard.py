"""The way to a hand-over: what, to whom, and then the preview, which is the page of the draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextInputWidget,
)

from communities.admin.transfer_picks import (
    Picked,
    Picks,
    draft_arguments,
    forget_picks,
    held_by,
    picked,
)
from communities.models import GroupChat, OwnershipTransfer
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import Subject
from communities.services.transfers.eligibility import ReceiverLoad, receiver_loads
from communities.services.transfers.submitting import draft_transfer
from scrm.accounts.admin_scope import admin_user
from scrm.accounts.models import Staff, User
from scrm.shared.errors import DomainError
from scrm.wecom.rules.limits import MAX_TRANSFER_MESSAGE

if TYPE_CHECKING:
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[OwnershipTransfer]
else:
    Base = object

PLACE = "admin/communities/ownershiptransfer"
PICKED_SHOWN = 30
FOUND_SHOWN = 20
LOADS_SHOWN = 50
MAX_REASON = 300


class PersonForm(forms.Form):
    """All of a person: which of what they have."""

    person = forms.ModelChoiceField(
        label=_("谁的"),
        queryset=Staff.objects.none(),
        required=False,
        empty_label=_("不选"),
        widget=UnfoldAdminSelect2Widget,
        help_text=_("在职和已离职的同事都可以选。"),
    )
    subjects = forms.MultipleChoiceField(
        label=_("哪些"),
        choices=Subject.choices,
        required=False,
        initial=Subject.values,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Staff.objects.visible_to(user).order_by("name", "pk")
        self.fields["person"].queryset = people  # type: ignore[attr-defined]  # a choice of rows


class ReceiversForm(forms.Form):
    """To whom, and why."""

    way = forms.ChoiceField(choices=[("rules", ""), ("chosen", "")])
    receivers = forms.ModelMultipleChoiceField(queryset=Staff.objects.none(), required=False)
    reason = forms.CharField(
        label=_("事由"),
        max_length=MAX_REASON,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("给同事看的，例如“华东区调整”。"),
    )
    message = forms.CharField(
        label=_("告知客户"),
        max_length=MAX_TRANSFER_MESSAGE,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("在职转让客户时客户看到的话；空则用平台默认的话。"),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Staff.objects.visible_to(user).order_by("name", "pk")
        self.fields["receivers"].queryset = people  # type: ignore[attr-defined]  # as above

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("way") == "chosen" and not cleaned.get("receivers"):
            self.add_error("receivers", _("至少选一位接手人，或者选“按转让规则”。"))
        return cleaned


@dataclass(frozen=True)
class LoadRow:
    """A colleague in the table of receivers."""

    load: ReceiverLoad
    is_chosen: bool
    why_not: str


def in_admin(form: Any) -> AdminForm:
    """As the admin shows the form of a row."""
    return AdminForm(form, [(None, {"fields": list(form.fields)})], {})


class WizardPages(Base):
    """Steps 1 and 2."""

    # --- step 1: what ---

    def pick_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = admin_user(request)
        picks = Picks.of(request)
        if request.method == "POST":
            return self.pick(request, picks)
        asked = request.GET.get("person", "")
        if asked.isdecimal() and len(asked) < 18:
            person = Staff.objects.visible_to(user).filter(pk=asked).first()
            picks.take_person(person, Subject.values)
        return self.pick_page(request, picks)

    def pick(self, request: HttpRequest, picks: Picks) -> HttpResponse:
        user = admin_user(request)
        match request.POST.get("do"):
            case "add":
                wanted = [each for each in request.POST.getlist("chats") if each.isdecimal()]
                visible = GroupChat.objects.visible_to(user).live().filter(pk__in=wanted[:1000])
                picks.add_chats(visible.values_list("pk", flat=True))
            case "remove":
                gone = request.POST.get("chat", "")
                picks.chat_ids = [each for each in picks.chat_ids if str(each) != gone]
            case "clear":
                picks = Picks()
            case _:
                return self.take_person(request, picks)
        picks.keep(request)
        return HttpResponseRedirect(request.get_full_path())

    def take_person(self, request: HttpRequest, picks: Picks) -> HttpResponse:
        form = PersonForm(request.POST, user=admin_user(request))
        if not form.is_valid():
            return self.pick_page(request, picks, form=form)
        person = form.cleaned_data["person"]
        picks.take_person(person, form.cleaned_data["subjects"])
        picks.keep(request)
        if picked(picks, user=admin_user(request)).is_empty:
            form.add_error("person", gettext("还没有选到任何群、客户或社群。"))
            return self.pick_page(request, picks, form=form)
        return HttpResponseRedirect(reverse("admin:communities_ownershiptransfer_receivers"))

    def pick_page(
        self, request: HttpRequest, picks: Picks, *, form: PersonForm | None = None
    ) -> HttpResponse:
        user = admin_user(request)
        if request.GET.get("fragment") == "held":
            return self.held_page(request, user)
        found = picked(picks, user=user)
        if form is None:
            initial = {"person": picks.person_id, "subjects": picks.subjects or Subject.values}
            form = PersonForm(user=user, initial=initial)
        search = request.GET.get("q", "").strip()
        context = {
            **self.wizard_context(request, step=1),
            "adminform": in_admin(form),
            "inline_admin_formsets": [],
            "form": form,
            "picked": found,
            "picked_chats": found.chats.select_related("owner").order_by("name", "pk")
            [:PICKED_SHOWN],
            "more_chats": max(0, found.chat_count - PICKED_SHOWN),
            "search": search,
            "found": self.chats_found(user, search, picks) if search else [],
        }  # fmt: skip
        return TemplateResponse(request, f"{PLACE}/pick.html", context)

    def chats_found(self, user: User, search: str, picks: Picks) -> list[GroupChat]:
        named = Q(name__icontains=search) | Q(owner__name__icontains=search)
        chats = GroupChat.objects.visible_to(user).live().filter(named)
        others = chats.exclude(pk__in=picks.chat_ids).select_related("owner", "community")
        return list(others.order_by("name", "pk")[:FOUND_SHOWN])

    def held_page(self, request: HttpRequest, user: User) -> HttpResponse:
        """How much the person just chosen has."""
        asked = request.GET.get("person", "")
        person = None
        if asked.isdecimal() and len(asked) < 18:
            person = Staff.objects.visible_to(user).filter(pk=asked).first()
        context = {"held": held_by(person, user=user) if person else None}
        return TemplateResponse(request, f"{PLACE}/held.html", context)

    # --- step 2: to whom ---

    def receivers_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        user = admin_user(request)
        found = picked(Picks.of(request), user=user)
        if request.method == "POST" and request.POST.get("do") == "draft":
            form = ReceiversForm(request.POST, user=user)
            if form.is_valid() and not found.is_empty:
                return self.draft(request, form, found)
        elif request.method == "POST":  # another search, with what was filled in
            form = ReceiversForm(user=user, initial=typed_in(request))
        else:
            form = ReceiversForm(user=user, initial={"way": "rules"})
        return self.receivers_page(request, form, found)

    def draft(self, request: HttpRequest, form: ReceiversForm, found: Picked) -> HttpResponse:
        user = admin_user(request)
        values = form.cleaned_data
        try:
            transfer = draft_transfer(
                actor=user,
                receivers=list(values["receivers"]) if values["way"] == "chosen" else (),
                reason=values["reason"],
                message=values["message"],
                **draft_arguments(found, user=user),
            )
        except DomainError as refusal:
            form.add_error(None, forms.ValidationError(refusal.message, refusal.code))
            return self.receivers_page(request, form, found)
        forget_picks(request)
        done = gettext("草稿已建立。核对每一项再提交，现在还没有动平台上的任何东西。")
        self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, transfer)

    def receivers_page(
        self, request: HttpRequest, form: ReceiversForm, found: Picked
    ) -> HttpResponse:
        user = admin_user(request)
        typed = typed_in(request)
        subject = typed["subject"] or found.main_subject
        chosen = {each for each in typed["receivers"] if each.isdecimal()}
        loads = receiver_loads(
            user.enterprise_id, subject, search=typed["search"], limit=LOADS_SHOWN
        )
        listed = {str(load.staff.pk) for load in loads}
        absent = [int(each) for each in chosen - listed if len(each) < 18]
        context = {
            **self.wizard_context(request, step=2),
            "form": form,
            "picked": found,
            "counts": [(each.label, found.count(each)) for each in Subject if found.count(each)],
            "subjects": [(each.value, each.label) for each in Subject if found.count(each)],
            "subject": subject,
            "search": typed["search"],
            "way": typed["way"],
            "loads": [load_row(load, chosen, giver=found.person) for load in loads],
            "limit": LOADS_SHOWN if len(loads) == LOADS_SHOWN else 0,
            "kept": Staff.objects.visible_to(user).filter(pk__in=absent).order_by("name", "pk"),
        }
        return TemplateResponse(request, f"{PLACE}/receivers.html", context)

    def wizard_context(self, request: HttpRequest, *, step: int) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": gettext("转让群和客户"),
            "opts": self.opts,
            "media": self.media,
            "step": step,
            "pick_url": reverse("admin:communities_ownershiptransfer_add"),
            "receivers_url": reverse("admin:communities_ownershiptransfer_receivers"),
            "chats_url": reverse("admin:communities_groupchat_changelist"),
        }


def typed_in(request: HttpRequest) -> dict[str, Any]:
    """What stands in step 2 as it was left."""
    subject = request.POST.get("subject", "")
    way = request.POST.get("way", "rules")
    return {
        "way": way if way in {"rules", "chosen"} else "rules",
        "receivers": request.POST.getlist("receivers"),
        "reason": request.POST.get("reason", ""),
        "message": request.POST.get("message", ""),
        "search": request.POST.get("search", "").strip()[:100],
        "subject": subject if subject in Subject.values else "",
    }


def load_row(load: ReceiverLoad, chosen: set[str], *, giver: Staff | None) -> LoadRow:
    why_not = reason_words(load.refusal) if load.refusal else ""
    if load.staff == giver:
        why_not = reason_words("receiver_is_owner")
    elif not why_not and load.left is not None and load.left <= 0:
        why_not = reason_words("receiver_full")
    is_chosen = not why_not and str(load.staff.pk) in chosen
    return LoadRow(load=load, is_chosen=is_chosen, why_not=why_not)
