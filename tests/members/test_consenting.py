import pytest
from django.db import DatabaseError, connection, transaction

from members.errors import NothingToWithdraw
from members.models import Consent
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.selectors.consent import consents
from members.services.consenting import record_consent
from members.signals import consent_recorded
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.members.factories import MemberFactory
from tests.members.standing_factories import ConsentFactory

GRANTED, DENIED, WITHDRAWN = (
    ConsentDecision.GRANTED,
    ConsentDecision.DENIED,
    ConsentDecision.WITHDRAWN,
)


def record(member, decision, *, purpose=ConsentPurpose.BROADCAST, actor=None):
    return record_consent(
        member,
        purpose=purpose,
        decision=decision,
        text_version="2026-11",
        source="form",
        actor=actor,
    )


@pytest.mark.django_db
def test_nothing_said_means_no():
    ConsentFactory()  # somebody else agreed

    assert not consents(MemberFactory(), ConsentPurpose.BROADCAST)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([GRANTED], True),
        ([DENIED], False),
        ([GRANTED, WITHDRAWN], False),
        ([DENIED, GRANTED], True),
        ([GRANTED, DENIED], False),
    ],
)
def test_the_latest_word_counts(said, answer):
    member = MemberFactory()
    for decision in said:
        record(member, decision)

    assert consents(member, ConsentPurpose.BROADCAST) is answer
    assert not consents(member, ConsentPurpose.PROFILING)
    assert Consent.objects.count() == len(said)


@pytest.mark.django_db
def test_a_word_is_announced_and_kept_in_the_record():
    member = MemberFactory()
    operator = UserFactory(enterprise=member.enterprise)
    heard = []

    def hear(sender, signal, **arguments):
        heard.append(arguments)

    consent_recorded.connect(hear)
    try:
        record(member, GRANTED, actor=operator)
    finally:
        consent_recorded.disconnect(hear)

    assert heard == [{"member_id": member.pk, "purpose": "broadcast"}]
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor, event.object_id) == ("record_consent", operator, member.pk)


@pytest.mark.django_db
@pytest.mark.parametrize("said", [[], [DENIED], [GRANTED, WITHDRAWN]])
def test_what_was_not_granted_cannot_be_withdrawn(said):
    member = MemberFactory()
    for decision in said:
        record(member, decision)

    with pytest.raises(NothingToWithdraw):
        record(member, WITHDRAWN)

    assert Consent.objects.count() == len(said)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    ["UPDATE members_consent SET decision = 'granted'", "DELETE FROM members_consent"],
)
def test_consents_cannot_be_rewritten_even_in_the_database(statement):
    ConsentFactory(decision=DENIED)

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert Consent.objects.get().decision == DENIED
