"""Who withdraws while a broadcast runs is not called any more."""

import time

import pytest
from django.db import connection

from campaigns.selectors.progress import counted_deliveries
from campaigns.services.scheduling import start_due_broadcasts
from members.models import Member
from tests.chaos.scale import of
from tests.chaos.site import is_over, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

RECIPIENTS = of(1000, 20_000)
WITHDRAWING = RECIPIENTS // 20


def withdraw(members):
    """What ``record_consent`` writes, for many at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members_consent (member_id, purpose, decision, text_version, source)"
            " SELECT id, 'broadcast', word, 'v1', 'test' FROM unnest(%s) AS id,"
            " unnest(ARRAY['granted', 'withdrawn']) WITH ORDINALITY AS words (word, n)"
            " ORDER BY id, n",
            [members],
        )


def called_after_withdrawing(running, broadcast):
    """Refs of those who withdrew and were still called two seconds later."""
    start_due_broadcasts()
    running.start_worker()
    running.start_beat()
    wait_until(lambda: running.ledger()["effects"], site=running)
    reached = set(running.ledger()["effects"])
    newest = Member.objects.filter(external_id__in=running.expected - reached).order_by("-pk")
    withdrawn = dict(newest.values_list("external_id", "pk")[:WITHDRAWING])
    withdraw(list(withdrawn.values()))
    committed_at = time.time()
    wait_until(lambda: is_over(broadcast), within=of(60, 900), site=running)
    called_at = running.ledger()["called_at"]
    return {ref for ref in withdrawn if called_at.get(ref, 0) > committed_at + 2}, withdrawn


def test_who_withdraws_is_not_called_two_seconds_later(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("LedgerChannel", broadcast, delay=0.3) as running:
        late, withdrawn = called_after_withdrawing(running, broadcast)

        assert not late
        counts = counted_deliveries(broadcast.runs.get().pk)
        assert 0 < counts["suppressed"] <= len(withdrawn)
        assert counts["suppressed"] + counts["delivered"] == RECIPIENTS


def test_twin_a_list_that_is_not_looked_at_again_calls_them(site, audience):
    broadcast = audience(RECIPIENTS)
    with site("ForgetfulChannel", broadcast, delay=0.3) as running:
        late, _withdrawn = called_after_withdrawing(running, broadcast)

        assert late
