import pytest
from django.utils import timezone

from campaigns.errors import ChannelIsOff
from campaigns.models import Broadcast, Delivery
from campaigns.rules.status import BroadcastStatus
from campaigns.selectors.estimates import estimate_audience
from campaigns.services.controlling import cancel_broadcast
from campaigns.services.split_invitations import draft_split_broadcast
from members.models import SplitInvitation
from members.services.inviting_to_split import invite_branch
from members.services.splitting import draft_split
from members.services.starting_splits import start_split
from tests.communities.factories import GroupChatFactory
from tests.members.factories import MembershipFactory
from tests.members.split_factories import GrownCommunity, branch_of
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def grown():
    grown = GrownCommunity(minimum_size=1)
    grown.account = ChannelAccountFactory(enterprise=grown.enterprise)
    return grown


def running(grown):
    plan = draft_split(grown.community, axes=[grown.region], actor=grown.actor)
    return start_split(plan.pk, actor=grown.actor)


def test_inviting_drafts_one_broadcast_that_somebody_has_to_approve(grown):
    grown.grow(2, "east")
    grown.grow(1, "north")
    branch = branch_of(running(grown), "east")

    invite_branch(branch.pk, actor=grown.actor)

    broadcast = Broadcast.objects.get()
    assert (broadcast.status, broadcast.author) == (BroadcastStatus.DRAFT, grown.actor)
    assert list(broadcast.communities.all()) == [grown.community]
    assert broadcast.split_branch == branch
    assert f"/join/{branch.child.join_slug}" in broadcast.body
    assert broadcast.criterion == {
        "all": [
            {"metric": "classified_as", "op": "is", "value": "region:east"},
            {"metric": "in_community", "op": "is_not", "value": branch.child.code},
        ]
    }
    assert not Delivery.objects.exists()


def test_the_draft_reaches_those_of_the_branch_who_are_not_there_yet(grown):
    first, second = grown.grow(2, "east")
    grown.grow(1, "north")
    branch = branch_of(running(grown), "east")
    MembershipFactory(community=branch.child, member=second.member)
    broadcast = draft_split_broadcast(branch.pk, actor=grown.actor)

    estimate = estimate_audience(broadcast, as_of=timezone.now(), communities=[grown.community])

    assert estimate.recipient_count == 1
    assert [sample.recipient for sample in estimate.samples] == [first.member.nickname]


def test_asked_again_there_is_still_one_draft_until_it_is_cancelled(grown):
    grown.grow(1, "east")
    branch = branch_of(running(grown), "east")
    draft = draft_split_broadcast(branch.pk, actor=grown.actor)

    assert draft_split_broadcast(branch.pk, actor=grown.actor) == draft

    cancel_broadcast(draft.pk, actor=grown.actor)
    assert draft_split_broadcast(branch.pk, actor=grown.actor) != draft


def test_the_account_that_carries_the_chats_sends(grown):
    busy = ChannelAccountFactory(enterprise=grown.enterprise)
    GroupChatFactory(community=grown.community, channel_account=busy)
    tapped = ChannelAccountFactory(enterprise=grown.community.enterprise, kind="wecom")
    for _ in range(2):
        GroupChatFactory(community=grown.community, channel_account=tapped)
    grown.grow(1, "east")
    branch = branch_of(running(grown), "east")

    assert draft_split_broadcast(branch.pk, actor=grown.actor).channel_account == busy


def test_without_a_channel_nobody_counts_as_invited(grown):
    grown.account.is_active = False
    grown.account.save(update_fields=["is_active"])
    ChannelAccountFactory()  # of somebody else
    grown.grow(1, "east")
    branch = branch_of(running(grown), "east")

    with pytest.raises(ChannelIsOff):
        invite_branch(branch.pk, actor=grown.actor)
    assert SplitInvitation.objects.get().status == "planned"


def test_braces_in_names_are_no_variables(grown):
    grown.community.name = "{{猫}}友"
    grown.community.save(update_fields=["name"])
    grown.grow(1, "east")
    branch = branch_of(running(grown), "east")

    assert "（（猫））友" in draft_split_broadcast(branch.pk, actor=grown.actor).body
