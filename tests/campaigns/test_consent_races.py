"""Consent is honoured at the moment of sending: who takes it back while a broadcast is being sent
is not called any more."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest
from django.db import connections

from campaigns.selectors.guards import NO_GUARDS, Guards
from campaigns.selectors.recipients import Mailing, load_recipients
from campaigns.services.draining import drain_slice
from communities.rules.kinds import ContentCategory
from members.models import Consent, Member
from members.services.consenting import record_consent
from scrm.shared.clock import database_now
from tests.campaigns.broadcasts import due_broadcast, started, states_of

RECIPIENTS, WITHDRAWN, BATCH = 120, 24, 4
PATIENCE = 2.0  # seconds from the commit of a withdrawal to the last call that may begin


def withdraw(member):
    try:
        record_consent(
            member, purpose="broadcast", decision="withdrawn", text_version="1", source="page"
        )
        return time.monotonic()
    finally:
        connections.close_all()


def drain():
    try:
        while drain_slice(seconds=0.5):
            pass
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_nobody_is_called_who_took_it_back_before(channel):
    broadcast = due_broadcast(
        members=RECIPIENTS, category=ContentCategory.BENEFIT, channel_account__kind="fake"
    )
    members = list(Member.objects.order_by("pk"))
    Consent.objects.bulk_create(
        Consent(member=one, purpose="broadcast", decision="granted", text_version="1", source="x")
        for one in members
    )
    called, lock = {}, Lock()

    def note(envelope):
        begun = time.monotonic()
        with lock:
            called.update(dict.fromkeys((one.recipient_ref for one in envelope.messages), begun))
        time.sleep(0.01)

    channel.batch_limit, channel.meanwhile = BATCH, note
    leaving = members[-WITHDRAWN:]
    try:
        run = started(broadcast)
        with ThreadPoolExecutor(3) as pool:
            drains = [pool.submit(drain) for _ in range(2)]
            taken_back = {one.pk: pool.submit(withdraw, one) for one in leaving}
            committed = {pk: future.result() for pk, future in taken_back.items()}
            assert [future.result() for future in drains] == [None, None]
        drain()
    finally:
        del channel.batch_limit

    states = states_of(run)
    late = [one for one in leaving if called.get(one.external_id, 0) > committed[one.pk] + PATIENCE]
    assert late == []
    stopped = {pk for pk, state in states.items() if state == ("suppressed", "consent_withdrawn")}
    assert stopped
    assert stopped <= {one.pk for one in leaving}
    assert stopped == {one.pk for one in members if one.external_id not in called}
    mailing = Mailing.of(
        broadcast, communities=dict(broadcast.communities.values_list("pk", "name"))
    )
    ids = sorted(stopped)
    guards = Guards.of(broadcast, now=database_now(), run=run)
    assert all(row.refusal for row in load_recipients(mailing, ids, guards))
    assert not any(row.refusal for row in load_recipients(mailing, ids, NO_GUARDS))
