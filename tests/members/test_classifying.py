from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from members.errors import AlreadyEnded, BelongsElsewhere, ExpiryIsPast, WeakerSource
from members.models import MemberClassification
from members.rules.standing import ClassificationSource
from members.services.classifying import end_classification, grant_classification
from members.signals import classification_changed
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import ClassificationAxisFactory, ClassificationValueFactory
from tests.members.factories import MemberFactory
from tests.members.standing_factories import MemberClassificationFactory

EVIDENCE, OPERATOR, IMPORT, RULE = (
    ClassificationSource.EVIDENCE,
    ClassificationSource.OPERATOR,
    ClassificationSource.IMPORT,
    ClassificationSource.RULE,
)


def grant(member, value, source=OPERATOR, **arguments):
    arguments.setdefault("actor", None)
    return grant_classification(member, value=value, source=source, **arguments)


def values_of(axis, count=2):
    return [ClassificationValueFactory(axis=axis) for _ in range(count)]


def held(member):
    rows = member.classifications.in_force(timezone.now()).order_by("pk")
    return [(row.value, row.source) for row in rows]


@pytest.fixture
def exclusive():
    return ClassificationAxisFactory(is_exclusive=True)


@pytest.fixture
def heard():
    found = []

    def hear(sender, signal, **arguments):
        found.append((arguments["member_id"], arguments["value_id"]))

    classification_changed.connect(hear)
    yield found
    classification_changed.disconnect(hear)


@pytest.mark.django_db
def test_grant_begins_a_period_and_tells_who_did_it(heard):
    value = ClassificationValueFactory()
    member = MemberFactory(enterprise=value.axis.enterprise)
    operator = UserFactory(enterprise=member.enterprise)

    granted = grant(member, value, actor=operator)

    granted.refresh_from_db()
    assert (granted.member, granted.value, granted.granted_by) == (member, value, operator)
    assert (granted.enterprise, granted.ended_at) == (member.enterprise, None)
    assert heard == [(member.pk, value.pk)]
    assert AuditEvent.objects.get().verb == "grant_classification"


@pytest.mark.django_db
def test_granting_the_same_again_changes_nothing(heard):
    first = MemberClassificationFactory()

    again = grant(first.member, first.value)

    assert again == first
    assert heard == []
    assert MemberClassification.objects.count() == 1


@pytest.mark.django_db
def test_granting_again_with_another_expiry_moves_it(heard):
    first = MemberClassificationFactory()
    expires_at = timezone.now() + timedelta(days=30)

    grant(first.member, first.value, expires_at=expires_at)

    first.refresh_from_db()
    assert first.expires_at == expires_at
    assert heard == [(first.member_id, first.value_id)]


@pytest.mark.django_db
def test_on_an_open_axis_several_values_and_sources_stand_beside_each_other():
    one, two = values_of(ClassificationAxisFactory())
    member = MemberFactory(enterprise=one.axis.enterprise)

    for value, source in ((one, RULE), (one, EVIDENCE), (two, IMPORT)):
        grant(member, value, source)

    assert held(member) == [(one, RULE), (one, EVIDENCE), (two, IMPORT)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("standing", "coming"),
    [(RULE, RULE), (RULE, IMPORT), (IMPORT, OPERATOR), (OPERATOR, OPERATOR), (OPERATOR, EVIDENCE)],
)
def test_on_an_exclusive_axis_an_equal_or_stronger_source_replaces(
    exclusive, heard, standing, coming
):
    old, new = values_of(exclusive)
    member = MemberFactory(enterprise=exclusive.enterprise)
    former = grant(member, old, standing)

    grant(member, new, coming)

    former.refresh_from_db()
    assert former.ended_at is not None
    assert held(member) == [(new, coming)]
    assert heard[1:] == [(member.pk, old.pk), (member.pk, new.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("standing", "coming"), [(EVIDENCE, OPERATOR), (OPERATOR, IMPORT), (IMPORT, RULE)]
)
def test_on_an_exclusive_axis_a_weaker_source_is_refused(exclusive, standing, coming):
    old, new = values_of(exclusive)
    member = MemberFactory(enterprise=exclusive.enterprise)
    grant(member, old, standing)

    with pytest.raises(WeakerSource) as refusal:
        grant(member, new, coming)

    assert old.name in refusal.value.message
    assert held(member) == [(old, standing)]


@pytest.mark.django_db
def test_a_weaker_source_may_agree_on_an_exclusive_axis(exclusive):
    value = ClassificationValueFactory(axis=exclusive)
    member = MemberFactory(enterprise=exclusive.enterprise)
    grant(member, value, EVIDENCE)

    grant(member, value, RULE)

    assert held(member) == [(value, EVIDENCE), (value, RULE)]


@pytest.mark.django_db
def test_what_has_expired_no_longer_stands_in_the_way(exclusive):
    old, new = values_of(exclusive)
    yesterday = timezone.now() - timedelta(days=1)
    expired = MemberClassificationFactory(
        value=old,
        source=EVIDENCE,
        granted_at=yesterday - timedelta(days=30),
        expires_at=yesterday,
    )

    grant(expired.member, new, RULE)

    expired.refresh_from_db()
    assert expired.ended_at == yesterday
    assert held(expired.member) == [(new, RULE)]


@pytest.mark.django_db
def test_an_expired_period_is_followed_by_a_new_one_and_not_revived():
    yesterday = timezone.now() - timedelta(days=1)
    expired = MemberClassificationFactory(
        granted_at=yesterday - timedelta(days=30), expires_at=yesterday
    )

    again = grant(expired.member, expired.value)

    assert again != expired
    expired.refresh_from_db()
    assert expired.ended_at == yesterday


@pytest.mark.django_db
def test_evidence_lasts_as_long_as_the_axis_says():
    value = ClassificationValueFactory(axis__evidence_valid_days=90)
    member = MemberFactory(enterprise=value.axis.enterprise)

    granted = grant(member, value, EVIDENCE)

    assert granted.expires_at - granted.granted_at == timedelta(days=90)
    assert grant(member, value, OPERATOR).expires_at is None


@pytest.mark.django_db
def test_an_expiry_in_the_past_is_refused():
    value = ClassificationValueFactory()
    member = MemberFactory(enterprise=value.axis.enterprise)

    with pytest.raises(ExpiryIsPast):
        grant(member, value, expires_at=timezone.now() - timedelta(seconds=1))

    assert held(member) == []


@pytest.mark.django_db
def test_a_value_of_another_enterprise_is_refused():
    member = MemberFactory()

    with pytest.raises(BelongsElsewhere):
        grant(member, ClassificationValueFactory())

    assert held(member) == []


@pytest.mark.django_db
def test_end_closes_the_period_once(heard):
    classification = MemberClassificationFactory()
    operator = UserFactory(enterprise=classification.enterprise)

    ended = end_classification(classification.pk, actor=operator)

    assert ended.ended_at is not None
    assert heard == [(classification.member_id, classification.value_id)]
    assert AuditEvent.objects.get().verb == "end_classification"
    with pytest.raises(AlreadyEnded):
        end_classification(classification.pk, actor=operator)


@pytest.mark.django_db(transaction=True)
def test_two_grants_at_once_on_an_exclusive_axis_leave_one():
    axis = ClassificationAxisFactory(is_exclusive=True)
    member = MemberFactory(enterprise=axis.enterprise)
    values = values_of(axis, 4)
    start = Barrier(len(values))

    def run(value):
        try:
            start.wait()
            grant(member, value)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(values)) as pool:
        list(pool.map(run, values))

    assert len(held(member)) == 1
    assert MemberClassification.objects.count() == 4
