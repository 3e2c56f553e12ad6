import pytest

from communities.rules.status import SplitStatus
from communities.services.chats import assign_chat
from members.errors import CannotChangeSplit, InvitationIsSettled, NothingToInvite
from members.models import Membership, SplitInvitation
from members.rules.status import JoinSource, LeaveReason
from members.selectors.splits import with_progress
from members.services.inviting_to_split import decline_invitation, invite_branch, tend_splits
from members.services.joining import apply_for_entry
from members.services.leaving import leave_community
from members.services.splitting import cancel_split, draft_split
from members.services.starting_splits import start_split
from members.signals import split_invited
from tests.communities.factories import GroupChatFactory
from tests.members.factories import MembershipFactory
from tests.members.split_factories import GrownCommunity, branch_of
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def grown():
    grown = GrownCommunity(minimum_size=1)
    ChannelAccountFactory(enterprise=grown.enterprise)
    return grown


@pytest.fixture
def heard():
    facts = []

    def hear(sender, signal, **arguments):
        facts.append(arguments)

    split_invited.connect(hear)
    yield facts
    split_invited.disconnect(hear)


def running(grown, *, chats=True):
    plan = draft_split(grown.community, axes=[grown.region], actor=grown.actor)
    start_split(plan.pk, actor=grown.actor)
    for branch in plan.branches.exclude(child=None) if chats else ():
        chat = GroupChatFactory(community=None, enterprise=grown.enterprise)
        assign_chat(chat.pk, community=branch.child, actor=grown.actor)
    plan.refresh_from_db()
    return plan


def invite(plan, grown, code="east"):
    return invite_branch(branch_of(plan, code).pk, actor=grown.actor)


def join(membership, plan, code="east"):
    child = branch_of(plan, code).child
    return apply_for_entry(membership.member, community=child, source=JoinSource.API, actor=None)


def leave(membership):
    leave_community(membership.pk, reason=LeaveReason.SELF, actor=None)


def status_of(membership):
    return SplitInvitation.objects.get(member=membership.member).status


def test_inviting_announces_the_branch_once(grown, heard):
    membership = grown.newcomer("east")
    plan = running(grown)

    branch = invite(plan, grown)

    assert status_of(membership) == "invited"
    assert heard == [{"branch_id": branch.pk, "actor_id": grown.actor.pk}]
    with pytest.raises(NothingToInvite):
        invite(plan, grown)


def test_who_left_meanwhile_is_not_invited(grown):
    stays, gone = grown.newcomer("east"), grown.newcomer("east")
    plan = running(grown)
    leave(gone)

    invite(plan, grown)

    assert (status_of(stays), status_of(gone)) == ("invited", "gone")


def test_who_left_unannounced_is_not_invited_either(grown):
    stays, gone = grown.newcomer("east"), grown.newcomer("east")
    plan = running(grown)
    Membership.objects.filter(pk=gone.pk).delete()

    invite(plan, grown)

    assert (status_of(stays), status_of(gone)) == ("invited", "gone")


def test_a_draft_and_a_skipped_branch_invite_nobody(grown):
    grown.grow(1, "east")
    plan = draft_split(grown.community, axes=[grown.region], actor=grown.actor, minimum_size=5)
    with pytest.raises(CannotChangeSplit):
        invite(plan, grown)

    cancel_split(plan.pk, actor=grown.actor)
    grown.grow(1, "north")
    grown.grow(1, "north")
    other = draft_split(grown.community, axes=[grown.region], actor=grown.actor, minimum_size=2)
    start_split(other.pk, actor=grown.actor)
    with pytest.raises(NothingToInvite):
        invite(other, grown)


def test_a_cancelled_split_invites_nobody_any_more(grown):
    grown.grow(1, "east")
    plan = running(grown)
    cancel_split(plan.pk, actor=grown.actor)

    with pytest.raises(CannotChangeSplit):
        invite(plan, grown)


def test_joining_settles_the_invitation_and_the_last_one_the_plan(grown):
    first, second = grown.newcomer("east"), grown.newcomer("north")
    plan = running(grown)
    invite(plan, grown)
    invite(plan, grown, "north")

    assert join(first, plan).status == "joined"
    plan.refresh_from_db()
    assert (status_of(first), plan.status) == ("joined", SplitStatus.RUNNING)

    join(second, plan, "north")
    plan.refresh_from_db()
    assert (plan.status, plan.finished_at is None) == (SplitStatus.COMPLETED, False)


def test_who_does_not_belong_is_kept_out_by_the_threshold(grown):
    stranger = grown.newcomer("north")
    grown.grow(1, "east")
    plan = running(grown)

    assert join(stranger, plan, "east").status == "rejected"
    assert status_of(stranger) == "planned"


def test_who_declines_stays_and_may_still_come(grown):
    membership, other = grown.newcomer("east"), grown.newcomer("east")
    plan = running(grown)
    invite(plan, grown)
    invitation = SplitInvitation.objects.get(member=membership.member)

    declined = decline_invitation(invitation.pk, actor=grown.actor)
    assert (declined.status, declined.settled_at is None) == ("declined", False)
    with pytest.raises(InvitationIsSettled):
        decline_invitation(invitation.pk, actor=grown.actor)

    join(membership, plan)
    assert status_of(membership) == "joined"
    assert status_of(other) == "invited"


def test_the_progress_tells_where_the_people_of_a_branch_are(grown, django_assert_num_queries):
    moved, joined, declined, gone, _silent = grown.grow(5, "east")
    plan = running(grown)
    grown.grow(1, "north")  # came after the start
    invite(plan, grown)
    for membership in (moved, joined):
        join(membership, plan)
    leave(moved)
    decline_invitation(SplitInvitation.objects.get(member=declined.member).pk, actor=None)
    leave(gone)

    with django_assert_num_queries(1):
        branch = with_progress(plan.branches.all()).get()

    assert (branch.planned_count, branch.invited_count) == (0, 1)
    assert (branch.joined_count, branch.declined_count, branch.gone_count) == (2, 1, 1)
    assert branch.still_in_parent_count == 3


def test_the_sweep_settles_what_nobody_announced(grown):
    joined, gone = grown.newcomer("east"), grown.newcomer("east")
    plan = running(grown)
    MembershipFactory(community=branch_of(plan, "east").child, member=joined.member)
    Membership.objects.filter(pk=gone.pk).delete()

    tend_splits()

    plan.refresh_from_db()
    assert (status_of(joined), status_of(gone)) == ("joined", "gone")
    assert plan.status == SplitStatus.COMPLETED


def test_the_sweep_leaves_those_who_still_think_about_it(grown):
    membership = grown.newcomer("east")
    plan = running(grown)
    invite(plan, grown)

    tend_splits()

    plan.refresh_from_db()
    assert (status_of(membership), plan.status) == ("invited", SplitStatus.RUNNING)
