"""Welcoming newcomers: what they are told, and telling it moments after they came."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from campaigns.channels.protocol import Envelope, Message, OutcomeStatus
from campaigns.channels.registry import RECORDING_MARGIN, channel_for, unattended_kinds
from campaigns.errors import BelongsElsewhere, WelcomeTaken
from campaigns.models import WelcomeDelivery, WelcomePolicy
from campaigns.rules.retry import MAX_ATTEMPTS, MAX_LOST, backoff, bounded_retry_after
from campaigns.rules.status import RecipientKind, WelcomeStatus
from campaigns.rules.templates import (
    WELCOME_VARIABLES,
    CannotRender,
    Variable,
    clean_text,
    parse_template,
)
from campaigns.services.handing_over import (
    Answered,
    NotNow,
    Refused,
    Unknown,
    Verdict,
    hand_over,
)
from campaigns.services.planning_welcomes import PLATFORM_GREETS, WELCOME_WINDOW
from communities.models import Community
from communities.rules.status import ChatState
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.clock import database_now
from scrm.shared.errors import refusing

logger = logging.getLogger(__name__)

CLAIM_SIZE = 20
SLICE_SECONDS = 3.0

FIELDS = ("community", "body", "greets_imported", "is_active")


# --- What newcomers are told ----------------------------------------------------------------------


@transaction.atomic
def create_welcome_policy(
    *,
    actor: User,
    body: str,
    community: Community | None = None,
    greets_imported: bool = False,
    is_active: bool = True,
) -> WelcomePolicy:
    if community is not None and community.enterprise_id != actor.enterprise_id:
        raise BelongsElsewhere(_("社群必须属于同一家企业。"))
    policy = WelcomePolicy(
        enterprise_id=actor.enterprise_id,
        community=community,
        body=clean_text(body, allowed=WELCOME_VARIABLES),
        greets_imported=greets_imported,
        is_active=is_active,
    )
    with refusing(_taken(), constraint="one_active_welcome_per_community"):
        policy.save(force_insert=True)
    record_audit(
        actor, verb="create_welcome_policy", subject=policy, after=snapshot(policy, FIELDS)
    )
    return policy


@transaction.atomic
def edit_welcome_policy(
    policy_id: int,
    *,
    actor: User,
    body: str | None = None,
    greets_imported: bool | None = None,
    is_active: bool | None = None,
) -> WelcomePolicy:
    """What is planned already is sent with the text as it is when it is sent."""
    policy = WelcomePolicy.objects.select_for_update(no_key=True).get(pk=policy_id)
    before = snapshot(policy, FIELDS)
    if body is not None:
        policy.body = clean_text(body, allowed=WELCOME_VARIABLES)
    if greets_imported is not None:
        policy.greets_imported = greets_imported
    if is_active is not None:
        policy.is_active = is_active
    with refusing(_taken(), constraint="one_active_welcome_per_community"):
        policy.save(update_fields=["body", "greets_imported", "is_active"])
    record_audit(
        actor,
        verb="edit_welcome_policy",
        subject=policy,
        before=before,
        after=snapshot(policy, FIELDS),
    )
    return policy


def _taken() -> WelcomeTaken:
    return WelcomeTaken(_("这里已有启用的欢迎语，请先停用它。"))


# --- Sending --------------------------------------------------------------------------------------

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, status, token FROM campaigns_welcomedelivery
    WHERE status IN ('planned', 'sending') AND due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE campaigns_welcomedelivery welcome SET
    status = 'sending',
    token = %(token)s,
    due_at = statement_timestamp() + make_interval(secs => %(lease)s),
    attempt_count = welcome.attempt_count + 1,
    lost_count = welcome.lost_count + (due.status = 'sending' AND due.token IS NOT NULL)::int
FROM due
WHERE welcome.id = due.id
RETURNING welcome.id, due.status = 'sending'
"""

SETTLE = """
UPDATE campaigns_welcomedelivery SET
    status = %(status)s, reason = %(reason)s, token = NULL, settled_at = statement_timestamp()
WHERE id = %(id)s AND token = %(token)s AND status = 'sending'
"""

GIVE_BACK = """
UPDATE campaigns_welcomedelivery SET
    status = %(status)s, reason = %(reason)s, token = NULL,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    attempt_count = attempt_count - %(uncounted)s
WHERE id = %(id)s AND token = %(token)s AND status = 'sending'
"""

# Asked again right before the call: the lease may be another's by now, the newcomer gone.
STILL_OURS = """
SELECT stay.left_at IS NULL FROM campaigns_welcomedelivery welcome
JOIN members_stay stay ON stay.id = welcome.stay_id
WHERE welcome.id = %(id)s AND welcome.token = %(token)s
"""


@dataclass(frozen=True, slots=True)
class Lease:
    token: UUID
    ends_at: float
    was_sending: dict[int, bool]

    @property
    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()


def send_due_welcomes(*, seconds: float = SLICE_SECONDS) -> bool:
    """Send what is due for a short while; whether there was still something to do at the end."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        lease = claim_welcomes()
        if not lease.was_sending:
            return False
        welcomes = WelcomeDelivery.objects.filter(pk__in=lease.was_sending).select_related(
            "policy",
            "stay__member",
            "stay__membership__community",
            "stay__chat__channel_account",
        )
        for welcome in welcomes.order_by("pk"):
            _send_or_put_aside(welcome, lease)
    return True


def claim_welcomes(*, limit: int = CLAIM_SIZE) -> Lease:
    ends_at = time.monotonic() + settings.LEASE_SECONDS
    token = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"token": token, "lease": settings.LEASE_SECONDS, "limit": limit})
        return Lease(token, ends_at, dict(cursor.fetchall()))


def _send_or_put_aside(welcome: WelcomeDelivery, lease: Lease) -> None:
    try:
        send_welcome(welcome, lease)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the lease brings the rest back
    except Exception:
        logger.exception("A welcome broke.", extra={"welcome_id": welcome.pk})
        if welcome.attempt_count < MAX_LOST:
            _give_back(welcome, lease, wait=backoff(welcome.attempt_count), reason="worker_error")
        else:
            _settle(welcome, lease, WelcomeStatus.FAILED, "worker_error")


def send_welcome(welcome: WelcomeDelivery, lease: Lease) -> None:
    account = welcome.stay.chat.channel_account
    channel = channel_for(account.kind)
    was_sending = lease.was_sending[welcome.pk]
    if lease.seconds_left < channel.call_timeout + RECORDING_MARGIN:
        _give_back(welcome, lease, wait=timedelta(0), unknown=was_sending, counted=False)
        return
    if reason := reason_to_skip(welcome, lease):
        _settle(welcome, lease, WelcomeStatus.SKIPPED, reason)
        return
    if welcome.lost_count >= MAX_LOST:
        _settle(welcome, lease, WelcomeStatus.FAILED, "gave_up")
        return
    try:
        body = rendered(welcome)
    except CannotRender as error:
        _settle(welcome, lease, WelcomeStatus.FAILED, error.code)
        return
    envelope = Envelope(
        key=f"welcome-{welcome.pk}",
        account=account,
        recipient_kind=RecipientKind.MEMBER.value,
        messages=(Message(welcome.stay.member.external_id, body),),
    )
    ask_first = was_sending and not channel.honours_key
    verdict = hand_over(channel, envelope, ask_first=ask_first)
    if isinstance(verdict, Unknown) and not channel.honours_key:
        wait = timedelta(seconds=max(0.0, lease.seconds_left))
        _give_back(welcome, lease, wait=wait, reason=verdict.code, unknown=True)
        return
    _apply(welcome, lease, verdict, was_sending=was_sending)


def reason_to_skip(welcome: WelcomeDelivery, lease: Lease) -> str:
    """Why not to send after all; empty if there is no reason."""
    with connection.cursor() as cursor:
        cursor.execute(STILL_OURS, {"id": welcome.pk, "token": lease.token})
        row = cursor.fetchone()
    chat = welcome.stay.chat
    if row is None or not row[0]:
        return "left"
    if chat.state == ChatState.DISSOLVED:
        return "chat_gone"
    if not chat.channel_account.is_active:
        return "channel_is_off"
    if chat.channel_account.kind not in unattended_kinds():
        return PLATFORM_GREETS
    if database_now() - welcome.stay.joined_at > WELCOME_WINDOW:
        return "too_late"
    return ""


def rendered(welcome: WelcomeDelivery) -> str:
    membership = welcome.stay.membership
    assert membership is not None  # nobody is welcomed outside of a community
    template = parse_template(welcome.policy.body, allowed=WELCOME_VARIABLES)
    return template.render(
        {
            Variable.NICKNAME: welcome.stay.member.nickname,
            Variable.COMMUNITY: membership.community.name,
            Variable.CHAT: welcome.stay.chat.name,
        }
    )


def _apply(welcome: WelcomeDelivery, lease: Lease, verdict: Verdict, *, was_sending: bool) -> None:
    match verdict:
        case Answered(outcomes):
            outcome = next(iter(outcomes), None)
            if outcome is None or outcome.status is OutcomeStatus.FAILED:
                code = "not_in_answer" if outcome is None else outcome.code
                _settle(welcome, lease, WelcomeStatus.FAILED, code)
            else:
                _settle(welcome, lease, WelcomeStatus.SENT, "")
        case Refused(code):
            _settle(welcome, lease, WelcomeStatus.FAILED, code)
        case NotNow(code, retry_after) if retry_after is not None:
            wait = bounded_retry_after(retry_after)
            _give_back(welcome, lease, wait=wait, reason=code, unknown=was_sending, counted=False)
        case NotNow(code) | Unknown(code):
            unknown = was_sending or isinstance(verdict, Unknown)
            if welcome.attempt_count >= MAX_ATTEMPTS:
                reason = "outcome_unknown" if unknown else code
                _settle(welcome, lease, WelcomeStatus.FAILED, reason)
                return
            wait = backoff(welcome.attempt_count)
            _give_back(welcome, lease, wait=wait, reason=code, unknown=unknown)


def _settle(welcome: WelcomeDelivery, lease: Lease, status: WelcomeStatus, reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            SETTLE,
            {
                "id": welcome.pk,
                "token": lease.token,
                "status": status.value,
                "reason": reason[:60],
            },
        )


def _give_back(
    welcome: WelcomeDelivery,
    lease: Lease,
    *,
    wait: timedelta,
    reason: str = "",
    unknown: bool = True,
    counted: bool = True,
) -> None:
    """Try it again later. ``unknown``: it may have been handed over."""
    with connection.cursor() as cursor:
        cursor.execute(
            GIVE_BACK,
            {
                "id": welcome.pk,
                "token": lease.token,
                "status": "sending" if unknown else "planned",
                "wait": wait.total_seconds(),
                "reason": reason[:60],
                "uncounted": 0 if counted else 1,
            },
        )
