"""The sidebar of the admin: an entry shows when its model is registered and the user may see it."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

type Text = str | Promise
type Item = dict[str, object]


@dataclass(frozen=True)
class Entry:
    """A list page. ``query`` narrows it, so that one model can have several entries."""

    model: str  # app_label.modelname
    icon: str  # a name of Material Symbols
    title: Text = ""
    query: str = ""


GROUPS: list[tuple[Text, list[Entry]]] = [
    (
        _("工作台"),
        [
            Entry("members.entryapplication", "how_to_reg"),
            Entry("campaigns.churnalert", "notification_important"),
            Entry("campaigns.outboxmessage", "outbox"),
        ],
    ),
    (
        _("社群"),
        [
            Entry("communities.community", "forum"),
            Entry("communities.groupchat", "groups"),
            Entry("communities.entrypolicy", "rule"),
            Entry("communities.classificationaxis", "category"),
            Entry("communities.tierscheme", "stairs"),
        ],
    ),
    (
        _("成员"),
        [
            Entry("members.member", "person"),
            Entry("members.membership", "badge"),
            Entry("members.stay", "history"),
            Entry("members.activityevent", "bolt"),
            Entry("members.purchase", "shopping_bag"),
            Entry("members.consent", "verified_user"),
            Entry("members.tag", "sell"),
        ],
    ),
    (
        _("触达"),
        [
            Entry("campaigns.broadcast", "campaign"),
            Entry("campaigns.segment", "filter_alt"),
            Entry("campaigns.content", "article"),
            Entry("campaigns.welcomepolicy", "waving_hand"),
            Entry("campaigns.welcomedelivery", "mark_email_read"),
        ],
    ),
    (
        _("企业与系统"),
        [
            Entry("accounts.enterprise", "domain"),
            Entry("accounts.department", "account_tree"),
            Entry("accounts.staff", "support_agent"),
            Entry("accounts.user", "manage_accounts"),
            Entry("accounts.apikey", "key"),
            Entry("accounts.auditevent", "receipt_long"),
            Entry("wecom.channelaccount", "hub"),
            Entry("shared.heartbeat", "monitor_heart"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[Item]:
    groups: list[Item] = []
    for title, entries in GROUPS:
        items = [item for entry in entries if (item := _item(entry, request))]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def _item(entry: Entry, request: HttpRequest) -> Item | None:
    try:
        model = apps.get_model(entry.model)
    except LookupError:
        return None
    if not admin.site.is_registered(model):
        return None
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    link = reverse(f"admin:{entry.model.replace('.', '_')}_changelist")
    return {
        "title": entry.title or model._meta.verbose_name_plural,
        "icon": entry.icon,
        "link": f"{link}?{entry.query}" if entry.query else link,
    }


def environment_badge(request: HttpRequest) -> list[str] | None:
    """The coloured badge that tells a demonstration from the real thing."""
    return [gettext("演示"), "warning"] if settings.EMBEDDED else None
