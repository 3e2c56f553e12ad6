"""How the pages of this app show states, times and links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from scrm.accounts.readable import NOTHING
from scrm.wecom.rules.status import ConnectionState, EventState, ReadState, SyncState

CONNECTION_COLOURS = {
    ConnectionState.DRAFT: "info",
    ConnectionState.CONNECTED: "success",
    ConnectionState.FAILING: "danger",
    ConnectionState.PAUSED: "warning",
}
EVENT_COLOURS = {
    EventState.WAITING: "info",
    EventState.PROCESSED: "success",
    EventState.FAILED: "danger",
}
READ_COLOURS = {ReadState.WAITING: "info", ReadState.FAILED: "danger"}
SYNC_COLOURS = {
    SyncState.RUNNING: "info",
    SyncState.COMPLETED: "success",
    SyncState.PARTIAL: "warning",
    SyncState.FAILED: "danger",
}


def moment(when: datetime | None) -> str:
    return date_format(localtime(when), "Y-m-d H:i:s") if when else NOTHING


def ago(when: datetime, now: datetime) -> str:
    if now - when < timedelta(minutes=1):
        return _("刚刚")
    return _("%(time)s前") % {"time": timesince(when, now, depth=1)}


def lasted(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    if seconds < 60:
        return _("%(seconds)d 秒") % {"seconds": seconds}
    if seconds < 3600:
        return _("%(minutes)d 分 %(seconds)d 秒") % {
            "minutes": seconds // 60,
            "seconds": seconds % 60,
        }
    return _("%(hours)d 小时 %(minutes)d 分") % {
        "hours": seconds // 3600,
        "minutes": seconds % 3600 // 60,
    }


def listing(model: str, **query: object) -> str:
    """The address of a list, narrowed."""
    address = reverse(f"admin:wecom_{model}_changelist")
    asked: Mapping[str, object] = {key: value for key, value in query.items() if value}
    return f"{address}?{urlencode(asked)}" if asked else address


def link(address: str, text: object) -> SafeString:
    return format_html('<a href="{}" class="text-primary-600">{}</a>', address, text)
