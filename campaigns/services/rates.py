"""How fast messages may go through a channel account: one bucket for all workers, in the database.

The generic cell rate algorithm (ITU-T I.371, annex A) keeps one instant per account, the
theoretical arrival time of the next message. Tokens are taken by the claim itself.
"""

from __future__ import annotations

from django.db import connection

from campaigns.channels.registry import confirming_kinds
from campaigns.rules.rates import bucket_size, portion_size

#: A full bucket holds four, so nothing is lost by taking one or two at a look.
PORTIONS_AT_A_LOOK = 1.0

# Of the accounts with a limit: what could go on but for tokens, and how far their bucket is ahead.
WAITING = """
SELECT account.id, account.rate_per_second, account.rate_burst,
    account.kind = ANY(%s),
    extract(epoch FROM kept.next_at - statement_timestamp())::float8
FROM campaigns_run run
JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
JOIN wecom_channelaccount account ON account.id = broadcast.channel_account_id
LEFT JOIN campaigns_channelrate kept ON kept.account_id = account.id
WHERE run.status = 'sending' AND broadcast.status = 'running' AND account.is_active
  AND account.rate_per_second > 0
  AND (run.held_until IS NULL OR run.held_until <= statement_timestamp())
  AND EXISTS (
      SELECT FROM campaigns_dispatch
      WHERE run_id = run.id AND status IN ('pending', 'leased')
        AND due_at <= statement_timestamp()
  )
GROUP BY account.id, kept.next_at
"""

OPEN_BUCKETS = """
INSERT INTO campaigns_channelrate (account_id)
SELECT id FROM unnest(%s::bigint[]) AS account (id)
ON CONFLICT DO NOTHING
"""

RETURN = """
UPDATE campaigns_channelrate rate SET
    next_at = rate.next_at - make_interval(secs => %s / account.rate_per_second::float8)
FROM wecom_channelaccount account
WHERE account.id = rate.account_id AND account.id = %s AND account.rate_per_second > 0
"""


def seconds_until_tokens() -> float | None:
    """How long until one of the accounts that wait for tokens has enough for a call; None when
    nothing waits for tokens."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [confirming_kinds()])
        rows = cursor.fetchall()
    if not rows:
        return None
    if new := [account for account, *_bucket, ahead in rows if ahead is None]:
        open_buckets(new)
        return 0.0
    return min(_until(*bucket) for _account, *bucket in rows)


def _until(rate: int, burst: int, is_whole: bool, ahead: float) -> float:
    """What is sent whole begins with a full bucket. Otherwise the bucket may fill with more than
    one portion meanwhile, so that several workers look less often."""
    if is_whole:
        return max(0.0, ahead)
    portion = portion_size(rate, burst)
    room = bucket_size(rate, burst) - portion
    return max(ahead - room / rate, PORTIONS_AT_A_LOOK * portion / rate)


def open_buckets(account_ids: list[int]) -> None:
    """A bucket for each account that has none yet: full."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_BUCKETS, [account_ids])


def return_tokens(account_id: int, count: int) -> None:
    """Tokens that were taken for messages which are not sent after all."""
    with connection.cursor() as cursor:
        cursor.execute(RETURN, [count, account_id])
