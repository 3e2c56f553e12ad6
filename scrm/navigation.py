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

from scrm.desk.badges import Badges, badges

type Text = str | Promise
type Item = dict[str, object]


@dataclass(frozen=True)
class Entry:
    """A list page. ``query`` narrows it, so that one model can have several entries; the entry of
    a narrowed list is the active one on that list, and the plain entry on all other pages.
    ``page``: another page of the model than its list."""

    model: str  # app_label.modelname
    icon: str  # a name of Material Symbols
    title: Text = ""
    query: str = ""
    badge: str = ""  # a field of scrm.desk.badges.Badges
    page: str = "changelist"

    @property
    def link(self) -> str:
        return reverse(f"admin:{self.model.replace('.', '_')}_{self.page}")


@dataclass(frozen=True)
class Group:
    title: Text
    entries: tuple[Entry, ...]
    is_folded: bool = False


GROUPS = (
    Group(
        _("工作台"),
        (
            Entry(
                "members.entryapplication",
                "how_to_reg",
                _("入群审核"),
                "status__exact=in_review",
                badge="applications",
            ),
            Entry("accounts.operatortask", "checklist", badge="tasks"),
            Entry("campaigns.churnalert", "trending_down", badge="alerts"),
            Entry("campaigns.churnalert", "fact_check", _("预警质量"), page="quality"),
            Entry(
                "campaigns.broadcast",
                "approval",
                _("群发审批"),
                "mine=approve",
                badge="approvals",
            ),
            Entry(
                "communities.ownershiptransfer",
                "swap_horiz",
                _("转让审批"),
                "mine=approve",
                badge="transfers",
            ),
            Entry("communities.resignationcase", "waving_hand"),
            Entry("campaigns.sandboxmessage", "outbox"),
        ),
    ),
    Group(
        _("社群"),
        (
            Entry("communities.community", "forum"),
            Entry("members.communityday", "insights", _("社群洞察"), page="compare"),
            Entry("communities.groupchat", "groups"),
            Entry("communities.joinway", "qr_code_2"),
            Entry("communities.splitplan", "call_split"),
            Entry("communities.ownershiptransfer", "swap_horiz"),
            Entry("communities.ownershipviolation", "gpp_maybe"),
            Entry("members.splitinvitation", "forward_to_inbox"),
        ),
    ),
    Group(
        _("成员"),
        (
            Entry("members.member", "person"),
            Entry("members.membership", "badge"),
            Entry("members.follow", "contacts"),
            Entry("members.entryapplication", "assignment_ind"),
            Entry("members.evidence", "photo_library"),
            Entry("members.memberclassification", "label"),
            Entry("members.tierassignment", "military_tech"),
            Entry("members.tag", "sell"),
            Entry("members.consent", "verified_user"),
            Entry("members.membervalue", "grid_view", _("价值矩阵"), page="matrix"),
            Entry("members.membervalue", "diamond"),
            Entry("members.blocklistentry", "block"),
        ),
    ),
    Group(
        _("规则"),
        (
            Entry("communities.entrypolicy", "rule"),
            Entry("communities.classificationaxis", "category"),
            Entry("communities.classificationvalue", "account_tree"),
            Entry("communities.classificationrule", "auto_awesome"),
            Entry("communities.tierscheme", "stairs"),
            Entry("communities.tier", "workspace_premium"),
            Entry("communities.transferpolicy", "assignment_return"),
            Entry("campaigns.segment", "filter_alt"),
            Entry("campaigns.sendpolicy", "shield"),
            Entry("campaigns.frequencycap", "notifications_paused"),
            Entry("campaigns.winbackpolicy", "notification_important"),
            Entry("campaigns.lexiconterm", "spellcheck"),
            Entry("campaigns.holidayoverride", "edit_calendar"),
        ),
    ),
    Group(
        _("触达"),
        (
            Entry("campaigns.broadcast", "campaign"),
            Entry("campaigns.broadcast", "calendar_month", _("发送日历"), page="planned"),
            Entry("campaigns.schedule", "event_repeat"),
            Entry("campaigns.run", "play_circle"),
            Entry("campaigns.dispatch", "splitscreen"),
            Entry("campaigns.runreport", "insights"),
            Entry("campaigns.experiment", "science"),
            Entry("campaigns.winbackaction", "volunteer_activism"),
            Entry("campaigns.content", "library_books"),
            Entry("campaigns.mediaasset", "perm_media"),
            Entry("campaigns.sopplan", "format_list_numbered"),
            Entry("campaigns.sopenrolment", "playlist_play"),
            Entry("campaigns.soptask", "task"),
            Entry("campaigns.welcomepolicy", "waving_hand"),
            Entry("campaigns.welcomedelivery", "mark_email_read"),
            Entry("campaigns.contactwelcome", "contact_mail"),
        ),
    ),
    Group(
        _("数据"),
        (
            Entry("members.importrun", "upload_file"),
            Entry("members.purchase", "shopping_bag"),
            Entry("members.stay", "history"),
            Entry("communities.transferitem", "move_down"),
            Entry("members.activityevent", "bolt"),
            Entry("members.memberday", "calendar_month"),
            Entry("members.communityday", "date_range"),
            Entry("members.activitycoverage", "sensors"),
            Entry("members.churnscore", "query_stats"),
            Entry("communities.ownerday", "leaderboard"),
            Entry("members.predictionmodel", "model_training"),
            Entry("members.scorecheck", "fact_check"),
        ),
        is_folded=True,
    ),
    Group(
        _("企业微信"),
        (
            Entry("wecom.wecomconnection", "cable"),
            Entry("wecom.inboundevent", "inbox"),
            Entry("wecom.readrequest", "cloud_sync"),
            Entry("wecom.syncrun", "sync"),
            Entry("wecom.apiquota", "speed"),
        ),
        is_folded=True,
    ),
    Group(
        _("系统"),
        (
            Entry("accounts.enterprise", "domain"),
            Entry("accounts.department", "account_tree"),
            Entry("accounts.staff", "support_agent"),
            Entry("accounts.user", "manage_accounts"),
            Entry("accounts.apikey", "key"),
            Entry("wecom.channelaccount", "hub"),
            Entry("accounts.auditevent", "receipt_long"),
            Entry("shared.heartbeat", "monitor_heart"),
        ),
        is_folded=True,
    ),
)


def sidebar(request: HttpRequest) -> list[Item]:
    counts = badges(request.user)  # type: ignore[arg-type]  # the sidebar is for signed-in users
    groups: list[Item] = []
    for number, group in enumerate(GROUPS):
        items: list[Item] = [
            item for entry in group.entries if (item := _item(entry, request, counts))
        ]
        if number == 0:
            desk = reverse("admin:index")
            items.insert(0, {"title": gettext("今日工作台"), "icon": "dashboard", "link": desk})
        if items:
            groups.append(
                {
                    "title": group.title,
                    "separator": number > 0,
                    "collapsible": group.is_folded,
                    "items": items,
                }
            )
    return groups


def _item(entry: Entry, request: HttpRequest, counts: Badges) -> Item | None:
    try:
        model = apps.get_model(entry.model)
    except LookupError:
        return None
    if not admin.site.is_registered(model):
        return None
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    link = entry.link
    return {
        "title": entry.title or model._meta.verbose_name_plural,
        "icon": entry.icon,
        "link": f"{link}?{entry.query}" if entry.query else link,
        "active": _is_active(entry, link, request),
        "badge": getattr(counts, entry.badge) if entry.badge else 0,
        "badge_variant": "danger",
    }


def _is_active(entry: Entry, link: str, request: HttpRequest) -> bool:
    if not request.path.startswith(link):
        return False
    asked = request.GET.urlencode()
    if entry.query:
        return entry.query in asked
    others = [
        other
        for group in GROUPS
        for other in group.entries
        if other.model == entry.model and other != entry
    ]
    is_page = any(
        len(other.link) > len(link) and request.path.startswith(other.link) for other in others
    )
    return not is_page and not any(other.query and other.query in asked for other in others)


def environment_badge(request: HttpRequest) -> list[str] | None:
    """The coloured badge that tells a demonstration from the real thing."""
    return [gettext("演示环境"), "warning"] if settings.EMBEDDED else None
