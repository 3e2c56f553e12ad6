"""From chats to the wizard that hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from communities.admin.transfer_picks import Picks
from communities.models import GroupChat
from scrm.accounts.admin_scope import confirm

if TYPE_CHECKING:
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[GroupChat]
else:
    Base = object

WIZARD = "admin:communities_ownershiptransfer_add"


def to_wizard(request: HttpRequest, picks: Picks) -> HttpResponse:
    picks.keep(request)
    return sent_to(request, reverse(WIZARD))


def sent_to(request: HttpRequest, address: str) -> HttpResponse:
    """A dialog is posted by htmx, which needs its own word."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


class ChatShortcuts(Base):
    @admin.action(description=_("转让所选的群"), permissions=["transfer"])
    def hand_over_selected(
        self, request: HttpRequest, queryset: QuerySet[GroupChat]
    ) -> HttpResponse:
        picks = Picks()
        picks.add_chats(queryset.order_by("pk").values_list("pk", flat=True))
        return to_wizard(request, picks)

    @action(
        description=_("转让"),
        icon="swap_horiz",
        permissions=["transfer"],
        dialog=confirm(_("转让这个群？"), _("先选接手人，看过预检再提交。"), submit=_("下一步")),
    )
    def hand_over(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        chat = self.row(request, object_id)
        return to_wizard(request, Picks(chat_ids=[chat.pk]))
