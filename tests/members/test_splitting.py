import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from communities.errors import BelongsElsewhere, TooDeep, WouldLoop
from communities.models import Community, SplitPlan
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus, SplitStatus
from communities.services.founding import edit_community
from members import tasks
from members.errors import (
    AlreadySplitting,
    BadAxes,
    BadLevel,
    BadMinimumSize,
    BranchNameMissing,
    BranchTooSmall,
    CannotChangeSplit,
    CannotSplit,
    NothingChosen,
)
from members.models import Membership, SplitInvitation
from members.services import starting_splits
from members.services.splitting import (
    cancel_split,
    choose_branch,
    complete_split,
    draft_split,
    refresh_split,
    rename_branch,
    skip_branch,
)
from members.services.starting_splits import list_invitations, start_split
from scrm.accounts.models import AuditEvent
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
)
from tests.members.factories import MembershipFactory
from tests.members.split_factories import GrownCommunity, branch_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def grown():
    return GrownCommunity(minimum_size=2)


def draft(grown, *axes, **options):
    return draft_split(grown.community, axes=axes or [grown.region], actor=grown.actor, **options)


def start(plan, grown):
    return start_split(plan.pk, actor=grown.actor)


def verbs():
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


# --- drafting ---


def test_a_draft_has_a_branch_for_every_combination_and_moves_nobody(grown):
    grown.grow(2, "east", "ragdoll")
    grown.grow(1, "north", "tabby")
    before = Membership.objects.count()

    plan = draft(grown, grown.region, grown.breed)

    big, small = branch_of(plan, "east", "ragdoll"), branch_of(plan, "north", "tabby")
    assert (big.member_count, big.is_chosen) == (2, True)
    assert (small.member_count, small.is_chosen) == (1, False)
    assert big.name == "全国猫友·east·ragdoll"
    assert (plan.status, plan.minimum_size, plan.level) == (SplitStatus.DRAFT, 2, 1)
    assert Membership.objects.count() == before
    assert Community.objects.filter(enterprise=grown.enterprise).count() == 1
    assert verbs() == ["draft_split"]


def test_a_community_has_one_open_plan(grown):
    first = draft(grown)

    with pytest.raises(AlreadySplitting) as refusal:
        draft(grown)
    assert refusal.value.details["plan"] == first.pk

    cancel_split(first.pk, actor=grown.actor)
    assert draft(grown).status == SplitStatus.DRAFT


@pytest.mark.parametrize("status", [CommunityStatus.DRAFT, CommunityStatus.CLOSING])
def test_a_community_that_does_not_live_is_not_split(grown, status):
    Community.objects.filter(pk=grown.community.pk).update(status=status)

    with pytest.raises(CannotSplit):
        draft(grown)


def test_what_can_never_be_right_is_refused_with_its_field(grown):
    more = [ClassificationAxisFactory(enterprise=grown.enterprise) for _ in range(4)]

    for axes in ([], more):
        with pytest.raises(BadAxes):
            draft_split(grown.community, axes=axes, actor=grown.actor)
    for level in (0, 6):
        with pytest.raises(BadLevel):
            draft(grown, level=level)
    for size in (0, -1, 10**7):
        with pytest.raises(BadMinimumSize):
            draft(grown, minimum_size=size)


def test_an_axis_of_another_enterprise_is_refused(grown):
    with pytest.raises(BelongsElsewhere):
        draft(grown, ClassificationAxisFactory())


def test_what_would_make_the_tree_too_deep_is_refused_at_once(grown):
    parent = None
    for _ in range(4):
        parent = CommunityFactory(enterprise=grown.enterprise, parent=parent)
    Community.objects.filter(pk=grown.community.pk).update(parent=parent)

    with pytest.raises(TooDeep):
        draft(grown)


# --- choosing ---


def test_a_branch_that_is_too_small_needs_a_reason(grown):
    grown.grow(1, "east")
    branch = branch_of(draft(grown), "east")

    with pytest.raises(BranchTooSmall) as refusal:
        choose_branch(branch.pk, actor=grown.actor, override_reason="  ")
    assert refusal.value.details == [{"branch": branch.pk, "member_count": 1, "minimum_size": 2}]

    chosen = choose_branch(branch.pk, actor=grown.actor, override_reason="先试点")
    assert (chosen.is_chosen, chosen.override_reason) == (True, "先试点")


def test_a_branch_that_is_big_enough_keeps_no_reason(grown):
    grown.grow(2, "east")
    branch = branch_of(draft(grown), "east")
    skip_branch(branch.pk, actor=grown.actor)

    chosen = choose_branch(branch.pk, actor=grown.actor, override_reason="多余的理由")

    assert (chosen.is_chosen, chosen.override_reason) == (True, "")


def test_a_branch_with_nobody_in_it_is_refused_for_any_reason(grown):
    membership = grown.newcomer("east")
    plan = draft(grown)
    Membership.objects.filter(pk=membership.pk).delete()
    refresh_split(plan.pk, actor=grown.actor)

    with pytest.raises(BranchTooSmall):
        choose_branch(branch_of(plan, "east").pk, actor=grown.actor, override_reason="先建着")


def test_a_branch_can_be_renamed_while_the_plan_is_a_draft(grown):
    grown.grow(2, "east")
    branch = branch_of(draft(grown), "east")

    assert rename_branch(branch.pk, name=" 华东猫友 ", actor=grown.actor).name == "华东猫友"
    with pytest.raises(BranchNameMissing):
        rename_branch(branch.pk, name="  ", actor=grown.actor)


def test_a_recount_follows_the_people_and_keeps_what_was_decided(grown):
    grown.grow(2, "east")
    plan = draft(grown)
    skip_branch(branch_of(plan, "east").pk, actor=grown.actor)
    grown.grow(1, "east")
    grown.grow(2, "north")

    refresh_split(plan.pk, actor=grown.actor)

    east, north = branch_of(plan, "east"), branch_of(plan, "north")
    assert (east.member_count, east.is_chosen) == (3, False)
    assert (north.member_count, north.is_chosen) == (2, True)


# --- starting ---


def test_starting_makes_communities_with_a_lineage_and_a_threshold(grown):
    grown.breed.requires_evidence = True
    grown.breed.save(update_fields=["requires_evidence"])
    interest = ClassificationValueFactory(
        axis=ClassificationAxisFactory(enterprise=grown.enterprise)
    )
    grown.community.classification_values.set([interest, grown.value("east")])
    grown.grow(2, "east", "ragdoll")
    plan = draft(grown, grown.region, grown.breed, minimum_size=2)

    started = start(plan, grown)

    child = branch_of(plan, "east", "ragdoll").child
    assert (started.status, child.parent, child.status) == (
        SplitStatus.RUNNING,
        grown.community,
        CommunityStatus.RECRUITING,
    )
    assert (child.code, child.name) == ("cats-east-ragdoll", "全国猫友·east·ragdoll")
    assert child.owner == grown.community.owner
    assert child.audience_statement == "养猫的人（east、ragdoll）"
    assert {value.code for value in child.classification_values.all()} == {
        interest.code,
        "east",
        "ragdoll",
    }
    policy = child.entry_policies.get(is_active=True)
    assert policy.mode == EntryMode.RULE
    assert policy.criterion == {
        "all": [
            {"metric": "classified_as", "op": "is", "value": "region:east"},
            {"metric": "classified_as", "op": "is", "value": "breed:ragdoll"},
        ]
    }
    assert list(policy.evidence_axes.all()) == [grown.breed]
    assert verbs()[-1] == "start_split"


def test_everybody_of_a_chosen_branch_is_listed_and_the_others_stay(grown):
    wanted = grown.grow(2, "east")
    grown.grow(1, "north")
    grown.grow(1)
    gone = MembershipFactory(community=grown.community, gone=True)
    grown.classify(gone.member, "east")
    plan = draft(grown)

    started = start(plan, grown)

    listed = SplitInvitation.objects.values_list("member", "status")
    assert sorted(listed) == sorted((one.member_id, "planned") for one in wanted)
    assert started.listed_at is not None
    assert Membership.objects.active().filter(community=grown.community).count() == 4


def test_a_large_community_is_listed_slice_by_slice(grown, monkeypatch):
    grown.grow(5, "east")
    plan = draft(grown)
    slices = small_slices(monkeypatch)

    started = start(plan, grown)
    assert (started.listed_at, SplitInvitation.objects.count()) == (None, slices)

    list_invitations(plan.pk)
    list_invitations(plan.pk)  # a second worker finds nothing left
    plan.refresh_from_db()
    assert plan.listed_at is not None
    assert SplitInvitation.objects.count() == 5


def test_the_rest_of_a_large_list_is_hurried_and_found_by_the_sweep(
    grown, monkeypatch, django_capture_on_commit_callbacks
):
    grown.grow(3, "east")
    plan = draft(grown)
    small_slices(monkeypatch)

    with django_capture_on_commit_callbacks() as callbacks:
        start(plan, grown)
    assert [callback.args for callback in callbacks] == [(plan.pk,)]
    assert SplitInvitation.objects.count() == 2

    tasks.sweep_splits()
    assert SplitInvitation.objects.count() == 3
    tasks.list_split_invitations(plan.pk)  # came late: nothing left
    assert SplitInvitation.objects.count() == 3


def small_slices(monkeypatch):
    monkeypatch.setattr(starting_splits, "SLICE", 2)
    return 2


def test_who_has_several_values_is_listed_once(grown):
    member = grown.newcomer("east").member
    grown.classify(member, "north")
    grown.grow(2, "east")
    grown.grow(2, "north")

    start(draft(grown), grown)

    assert SplitInvitation.objects.filter(member=member).count() == 1


def test_codes_of_children_are_unique_whatever_exists(grown):
    CommunityFactory(enterprise=grown.enterprise, code="cats-east")
    grown.grow(2, "east")
    plan = draft(grown)

    start(plan, grown)

    assert branch_of(plan, "east").child.code == "cats-east-2"


def test_starting_with_nothing_chosen_is_refused(grown):
    grown.grow(1, "east")

    with pytest.raises(NothingChosen):
        start(draft(grown), grown)


def test_people_are_counted_again_before_the_start(grown):
    memberships = grown.grow(2, "east")
    plan = draft(grown)
    Membership.objects.filter(pk=memberships[0].pk).delete()

    with pytest.raises(BranchTooSmall):
        start(plan, grown)
    assert not Community.objects.filter(parent=grown.community).exists()


def test_a_branch_that_grew_since_is_not_made_unasked(grown):
    grown.grow(2, "east")
    grown.grow(1, "north")
    plan = draft(grown)
    grown.grow(1, "north")

    start(plan, grown)

    north = branch_of(plan, "north")
    assert (north.is_chosen, north.child) == (False, None)


def test_after_the_start_branches_are_not_edited(grown):
    grown.grow(2, "east")
    plan = draft(grown)
    start(plan, grown)
    branch = branch_of(plan, "east")

    for edit in (
        lambda: skip_branch(branch.pk, actor=grown.actor),
        lambda: choose_branch(branch.pk, actor=grown.actor),
        lambda: rename_branch(branch.pk, name="新名", actor=grown.actor),
        lambda: refresh_split(plan.pk, actor=grown.actor),
        lambda: start(plan, grown),
    ):
        with pytest.raises(CannotChangeSplit) as refusal:
            edit()
        assert refusal.value.details == {"status": "running"}


def test_a_community_cannot_be_hung_below_what_was_split_off_it(grown):
    grown.grow(2, "east")
    plan = draft(grown)
    start(plan, grown)

    with pytest.raises(WouldLoop):
        edit_community(grown.community.pk, actor=grown.actor, parent=branch_of(plan, "east").child)


def test_a_running_split_that_is_cancelled_keeps_its_communities(grown):
    grown.grow(2, "east")
    plan = draft(grown)
    start(plan, grown)

    cancelled = cancel_split(plan.pk, actor=grown.actor)

    assert cancelled.status == SplitStatus.CANCELLED
    assert Community.objects.filter(parent=grown.community).count() == 1
    with pytest.raises(CannotChangeSplit):
        complete_split(plan.pk, actor=grown.actor)


def test_only_a_running_split_can_be_called_done(grown):
    plan = draft(grown)

    with pytest.raises(CannotChangeSplit):
        complete_split(plan.pk, actor=grown.actor)


@pytest.mark.django_db(transaction=True)
def test_of_two_starts_at_once_one_counts():
    grown = GrownCommunity(minimum_size=1)
    grown.grow(1, "east")
    plan = draft(grown)
    barrier = threading.Barrier(2)

    def race(_):
        try:
            barrier.wait()
            start_split(plan.pk, actor=grown.actor)
        except CannotChangeSplit:
            return "refused"
        else:
            return "started"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(race, range(2))) == ["refused", "started"]
    assert Community.objects.filter(parent=grown.community).count() == 1
    assert SplitPlan.objects.get().status == SplitStatus.RUNNING
