import pytest

from communities.errors import (
    BelongsElsewhere,
    CustomersHaveNoCommunity,
    PolicyNamesNobody,
    PolicyTaken,
)
from communities.models import TransferPolicy
from communities.rules.transfers import Selection, Subject
from communities.services.transfers.policies import (
    create_policy,
    deactivate_policy,
    edit_policy,
    reactivate_policy,
)
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import ClassificationValueFactory, TierFactory

pytestmark = pytest.mark.django_db
LEAST_LOADED, FIXED = Selection.LEAST_LOADED, Selection.FIXED


@pytest.fixture
def actor():
    return UserFactory()


@pytest.fixture
def colleague(actor):
    return StaffFactory(enterprise=actor.enterprise)


def named(policy):
    return list(policy.receivers.order_by("pk").values_list("staff", "value"))


def test_a_policy_is_in_force_at_once_and_recorded(actor, colleague):
    value = ClassificationValueFactory(axis__enterprise=actor.enterprise)

    policy = create_policy(
        actor=actor,
        name="华东",
        selection=Selection.BY_CLASSIFICATION,
        kind="vip",
        maximum=0,
        receivers=[(colleague, value)],
    )

    policy.refresh_from_db()
    assert (policy.subject, policy.is_active, policy.maximum) == (Subject.CHAT, True, 0)
    assert named(policy) == [(colleague.pk, value.pk)]
    event = AuditEvent.objects.get(verb="create_transfer_policy")
    assert event.after["receivers"][0]["staff"]["id"] == colleague.pk


def test_names_keep_their_order_and_stand_once(actor, colleague):
    other = StaffFactory(enterprise=actor.enterprise)

    policy = create_policy(
        actor=actor,
        name="固定",
        selection=FIXED,
        receivers=[(other, None), (colleague, None), (other, None)],
    )

    assert named(policy) == [(other.pk, None), (colleague.pk, None)]


def test_an_edit_replaces_the_names_and_an_edit_of_nothing_is_not_recorded(actor, colleague):
    other = StaffFactory(enterprise=actor.enterprise)
    policy = create_policy(actor=actor, name="固定", selection=FIXED, receivers=[(colleague, None)])

    edit_policy(policy.pk, actor=actor, receivers=[(other, None)], maximum=20)
    edit_policy(policy.pk, actor=actor, receivers=[(other, None)], maximum=20)

    policy.refresh_from_db()
    assert (policy.maximum, named(policy)) == (20, [(other.pk, None)])
    event = AuditEvent.objects.get(verb="edit_transfer_policy")
    assert (event.before["maximum"], event.after["maximum"]) == (None, 20)


def test_one_policy_is_in_force_for_the_same_things(actor):
    first = create_policy(actor=actor, name="一", selection=LEAST_LOADED)
    with pytest.raises(PolicyTaken):
        create_policy(actor=actor, name="二", selection=LEAST_LOADED)

    deactivate_policy(first.pk, actor=actor)
    deactivate_policy(first.pk, actor=actor)
    create_policy(actor=actor, name="二", selection=LEAST_LOADED)

    with pytest.raises(PolicyTaken):
        reactivate_policy(first.pk, actor=actor)
    third = create_policy(actor=actor, name="三", selection=LEAST_LOADED, kind="vip")
    with pytest.raises(PolicyTaken):
        edit_policy(third.pk, actor=actor, kind="")
    verbs = AuditEvent.objects.filter(verb="deactivate_transfer_policy")
    assert verbs.count() == 1


def test_a_policy_is_switched_on_again(actor):
    policy = create_policy(actor=actor, name="一", selection=LEAST_LOADED)
    deactivate_policy(policy.pk, actor=actor)

    assert reactivate_policy(policy.pk, actor=actor).is_active


def test_a_policy_that_finds_receivers_by_name_names_some(actor, colleague):
    value = ClassificationValueFactory(axis__enterprise=actor.enterprise)

    for selection, fallback, receivers in (
        (FIXED, "", []),
        (FIXED, "", [(colleague, value)]),
        (LEAST_LOADED, FIXED, []),
        (Selection.BY_CLASSIFICATION, "", [(colleague, None)]),
    ):
        with pytest.raises(PolicyNamesNobody):
            create_policy(
                actor=actor,
                name="无人",
                selection=selection,
                fallback=fallback,
                receivers=receivers,
            )


def test_a_policy_for_customers_asks_nothing_of_a_community(actor):
    tier = TierFactory(scheme__enterprise=actor.enterprise)

    for fields in (
        {"kind": "vip"},
        {"tier": tier},
        {"fallback": Selection.BACKUP_OWNER},
    ):
        with pytest.raises(CustomersHaveNoCommunity):
            create_policy(
                actor=actor,
                name="客户",
                selection=LEAST_LOADED,
                subject=Subject.CUSTOMER,
                **fields,
            )


def test_nothing_of_another_enterprise_is_named(actor):
    stranger = StaffFactory()
    for fields in (
        {"receivers": [(stranger, None)]},
        {"tier": TierFactory()},
        {"value": ClassificationValueFactory()},
        {"receivers": [(StaffFactory(enterprise=actor.enterprise), ClassificationValueFactory())]},
    ):
        with pytest.raises(BelongsElsewhere):
            create_policy(actor=actor, name="外人", selection=LEAST_LOADED, **fields)
    assert not TransferPolicy.objects.exists()


def test_a_stranger_finds_no_policy(actor):
    policy = create_policy(actor=actor, name="一", selection=LEAST_LOADED)

    for verb in (edit_policy, deactivate_policy, reactivate_policy):
        with pytest.raises(TransferPolicy.DoesNotExist):
            verb(policy.pk, actor=UserFactory())
