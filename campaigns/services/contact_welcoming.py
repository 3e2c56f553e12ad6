"""Greeting a new contact: planned with the event that tells of it, sent at once or never.

The platform takes one message for a new contact, within 20 seconds, from the first app that asks.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction

from campaigns.models import ContactWelcome, WelcomePolicy
from campaigns.rules.status import WelcomeStatus
from campaigns.rules.templates import (
    WELCOME_VARIABLES,
    CannotRender,
    Variable,
    parse_template,
)
from campaigns.signals import contact_welcome_planned
from communities.models import Community, JoinWay
from members.models import Follow
from scrm.shared.clock import database_now
from scrm.wecom.client import InvalidArguments, Outcome, WecomRefusal, client_for
from scrm.wecom.rules.status import ConnectionState

logger = logging.getLogger(__name__)

CODE_LASTS = timedelta(seconds=20)
SLICE_SECONDS = 3.0

#: Codes that say that there is nothing to greet any more.
NOTHING_TO_GREET = {
    41050: "code_expired",
    41051: "already_talking",
    41096: "another_app_greets",
}


# --- Planning -------------------------------------------------------------------------------------


@transaction.atomic
def plan_contact_welcome(
    follow_id: int, *, code: str, occurred_at: datetime
) -> ContactWelcome | None:
    """At most one for each time that the two became contacts. None where nothing is to be said."""
    follow = Follow.objects.select_related("enterprise").get(pk=follow_id)
    policy = policy_for(follow)
    if not code or policy is None:
        return None
    welcome, is_new = ContactWelcome.objects.get_or_create(
        follow=follow,
        occurred_at=occurred_at,
        defaults={
            "enterprise": follow.enterprise,
            "policy": policy,
            "code": code,
            "expires_at": min(occurred_at, database_now()) + CODE_LASTS,
        },
    )
    if is_new:
        contact_welcome_planned.send(sender=ContactWelcome, welcome_id=welcome.pk)
    return welcome


def policy_for(follow: Follow) -> WelcomePolicy | None:
    """Of the community by whose join way the contact came, or the enterprise's."""
    community = community_of(follow)
    if community is not None:
        return WelcomePolicy.objects.for_community(community).first()
    policies = WelcomePolicy.objects.active().filter(enterprise=follow.enterprise_id)
    return policies.filter(community=None).first()


def community_of(follow: Follow) -> Community | None:
    if not follow.state:
        return None
    ways = JoinWay.objects.filter(enterprise=follow.enterprise_id, code=follow.state)
    way = ways.select_related("community").first()
    return way.community if way else None


# --- Sending --------------------------------------------------------------------------------------

# Once claimed, a welcome is never claimed again: it may have been sent.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM campaigns_contactwelcome
    WHERE status = 'planned' AND expires_at > statement_timestamp()
    ORDER BY expires_at, id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE campaigns_contactwelcome welcome SET status = 'sending'
FROM due
WHERE welcome.id = due.id
RETURNING welcome.id
"""

SETTLE = """
UPDATE campaigns_contactwelcome SET
    status = %(status)s, reason = %(reason)s, code = '', settled_at = statement_timestamp()
WHERE id = %(id)s AND status = 'sending'
"""

# What nobody sent in time, and the calls of workers that died.
GIVE_UP = """
UPDATE campaigns_contactwelcome SET
    reason = CASE status WHEN 'planned' THEN 'code_expired' ELSE 'outcome_unknown' END,
    status = CASE status WHEN 'planned' THEN 'skipped' ELSE 'failed' END,
    code = '', settled_at = statement_timestamp()
WHERE status IN ('planned', 'sending')
  AND expires_at < statement_timestamp()
      - make_interval(secs => CASE status WHEN 'planned' THEN 0 ELSE %(call)s END)
"""

CALL_ENDS_WITHIN = 300  # seconds, with every retry of the client


def send_contact_welcomes(*, seconds: float = SLICE_SECONDS) -> bool:
    """Send what is planned for a short while; whether there was still something to do."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM)
            row = cursor.fetchone()
        if row is None:
            return False
        send_contact_welcome(row[0])
    return True


def send_contact_welcome(welcome_id: int) -> None:
    """Hand over one that is claimed, and write down what became of it."""
    welcome = ContactWelcome.objects.select_related(
        "enterprise", "policy", "follow__member", "follow__channel_account__connection"
    ).get(pk=welcome_id)
    try:
        status, reason = outcome_of(welcome)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the row is given up later
    except Exception:
        logger.exception("A welcome broke.", extra={"welcome_id": welcome.pk})
        status, reason = WelcomeStatus.FAILED, "worker_error"
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {"id": welcome.pk, "status": status.value, "reason": reason})


def outcome_of(welcome: ContactWelcome) -> tuple[WelcomeStatus, str]:
    account = welcome.follow.channel_account
    platform = account.connection
    if not account.is_active or platform.state == ConnectionState.PAUSED:
        return WelcomeStatus.SKIPPED, "channel_is_off"
    try:
        with client_for(platform) as client:
            client.send_welcome(welcome.code, text=text_of(welcome))
    except CannotRender as error:
        return WelcomeStatus.FAILED, error.code
    except InvalidArguments:
        return WelcomeStatus.FAILED, "bad_content"
    except WecomRefusal as refusal:
        if reason := NOTHING_TO_GREET.get(refusal.code):
            return WelcomeStatus.SKIPPED, reason
        if refusal.outcome is Outcome.UNKNOWN:
            return WelcomeStatus.FAILED, "outcome_unknown"
        return WelcomeStatus.FAILED, f"wecom_{refusal.code}" if refusal.code else "no_answer"
    return WelcomeStatus.SENT, ""


def text_of(welcome: ContactWelcome) -> str:
    """Nobody is in a chat yet: without a community the text names the enterprise."""
    community = community_of(welcome.follow)
    place = community.name if community else welcome.enterprise.name
    template = parse_template(welcome.policy.body, allowed=WELCOME_VARIABLES)
    return template.render(
        {
            Variable.NICKNAME: welcome.follow.member.nickname,
            Variable.COMMUNITY: place,
            Variable.CHAT: place,
        }
    )


def give_up_contact_welcomes() -> int:
    """Settle those that can no longer be sent; how many."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_UP, {"call": CALL_ENDS_WITHIN})
        return int(cursor.rowcount)
