"""What an operator wants to know of a connection before anything else, in cards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from scrm.wecom.admin.words import CONNECTION_COLOURS, ago, lasted, listing, moment
from scrm.wecom.models import ApiQuota, SyncRun, WecomConnection
from scrm.wecom.rules.limits import COMMON_WINDOWS
from scrm.wecom.rules.status import ConnectionState, EventState, ReadState, SyncState
from scrm.wecom.rules.sync_words import STEP_WORDS, counts_in_words, drift_in_words
from scrm.wecom.selectors import (
    COUNTED,
    inbox_of,
    last_sync,
    platform_day,
    readings_of,
    usage_of,
)
from scrm.wecom.services.connections import callback_url, reason_in_words
from scrm.wecom.services.syncing import NIGHTLY_AT

TONES = {"success": "good", "danger": "danger", "warning": "warning", "info": "soft"}


@dataclass(frozen=True)
class Count:
    """So many, and the list of them."""

    words: str
    link: str
    tone: str = ""


@dataclass(frozen=True)
class State:
    label: str
    tone: str
    since: str
    reason: str


@dataclass(frozen=True)
class CallbackFacts:
    url: str
    verified: str
    is_rotating: bool
    last_event: str
    counts: list[Count]


@dataclass(frozen=True)
class SyncFacts:
    run: SyncRun | None
    title: str
    tone: str
    lines: list[tuple[str, str]]
    drift: str
    next_nightly: str
    link: str


@dataclass(frozen=True)
class UsageFacts:
    rows: list[ApiQuota]
    limits: str
    link: str


@dataclass(frozen=True)
class Facts:
    connection: WecomConnection
    state: State
    callback: CallbackFacts
    sync: SyncFacts
    readings: list[Count]
    usage: UsageFacts
    now: datetime


def facts_of(connection: WecomConnection, *, now: datetime) -> Facts:
    return Facts(
        connection=connection,
        state=_state(connection, now),
        callback=_callback(connection, now),
        sync=_sync(connection, now),
        readings=_readings(connection),
        usage=_usage(connection, now),
        now=now,
    )


def _state(connection: WecomConnection, now: datetime) -> State:
    colour = CONNECTION_COLOURS[ConnectionState(connection.state)]
    return State(
        label=connection.get_state_display(),
        tone=TONES[colour],
        since=_("自 %(moment)s（%(ago)s）")
        % {"moment": moment(connection.state_since), "ago": ago(connection.state_since, now)},
        reason=reason_in_words(connection.state_code),
    )


def _callback(connection: WecomConnection, now: datetime) -> CallbackFacts:
    inbox = inbox_of(connection)
    verified = connection.callback_verified_at
    last = inbox.last_received_at
    return CallbackFacts(
        url=callback_url(connection),
        verified=moment(verified) if verified else "",
        is_rotating=bool(connection.former_callback_token),
        last_event=ago(last, now) if last else "",
        counts=[
            _events(connection, EventState.WAITING, inbox.waiting),
            _events(connection, EventState.FAILED, inbox.failed, tone="danger"),
            _events(connection, EventState.IGNORED, inbox.ignored),
        ],
    )


def _events(connection: WecomConnection, state: EventState, count: int, *, tone: str = "") -> Count:
    return Count(
        words=f"{state.label} {_capped(count)}",
        link=listing("inboundevent", state__exact=state.value, connection__id__exact=connection.pk),
        tone=tone if count else "",
    )


def _capped(count: int) -> str:
    return f"{COUNTED}+" if count > COUNTED else str(count)


def _sync(connection: WecomConnection, now: datetime) -> SyncFacts:
    run = last_sync(connection)
    title, tone = _("还没有同步过"), "warning"
    if run is not None:
        title, tone = _run_title(run, now), _run_tone(run)
    is_nightly = connection.state in {ConnectionState.CONNECTED, ConnectionState.FAILING}
    return SyncFacts(
        run=run,
        title=title,
        tone=tone,
        lines=counts_in_words(run.counts) if run else [],
        drift=drift_in_words(run.drift) if run else "",
        next_nightly=moment(next_nightly(connection, now)) if is_nightly else "",
        link=listing("syncrun", connection__id__exact=connection.pk),
    )


def _run_title(run: SyncRun, now: datetime) -> str:
    if run.state == SyncState.RUNNING:
        step = STEP_WORDS.get(run.step, run.step)
        took = lasted(now - run.started_at)
        if not step:
            return _("正在同步，已 %(took)s") % {"took": took}
        return _("正在读%(step)s，已 %(took)s") % {"step": step, "took": took}
    ended = run.finished_at or run.started_at
    return _("%(scope)s%(state)s，%(ago)s") % {
        "scope": run.get_scope_display(),
        "state": run.get_state_display(),
        "ago": ago(ended, now),
    }


def _run_tone(run: SyncRun) -> str:
    return {
        SyncState.COMPLETED: "good",
        SyncState.PARTIAL: "warning",
        SyncState.FAILED: "danger",
    }.get(SyncState(run.state), "soft")


def next_nightly(connection: WecomConnection, now: datetime) -> datetime:
    local = now.astimezone(connection.enterprise.zone)
    tonight = datetime.combine(local.date(), NIGHTLY_AT, tzinfo=local.tzinfo)
    return tonight if tonight > local else tonight + timedelta(days=1)


def _readings(connection: WecomConnection) -> list[Count]:
    readings = readings_of(connection)

    def count(state: ReadState, number: int, tone: str = "") -> Count:
        link = listing("readrequest", state__exact=state.value)
        return Count(f"{state.label} {number}", link, tone if number else "")

    return [
        count(ReadState.WAITING, readings.waiting),
        count(ReadState.FAILED, readings.failed, "danger"),
    ]


def _usage(connection: WecomConnection, now: datetime) -> UsageFacts:
    minute, hour = COMMON_WINDOWS
    return UsageFacts(
        rows=usage_of(connection, now=now),
        limits=_("每个接口每分钟 %(minute)s 次、每小时 %(hour)s 次")
        % {"minute": f"{minute.count:,}", "hour": f"{hour.count:,}"},
        link=listing("apiquota", connection__id__exact=connection.pk),
    )


__all__ = ["Facts", "facts_of", "next_nightly", "platform_day"]
