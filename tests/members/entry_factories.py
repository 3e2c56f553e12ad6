"""What stands around an application: gates, photos, blocks, and the time that passes."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now
from factory import SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from communities.rules.kinds import EntryMode
from members.models import BlocklistEntry, EntryApplication, Evidence
from members.rules.status import JoinSource
from members.services.deciding import settle_due_decisions
from members.services.joining import apply_for_entry
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
)
from tests.members.factories import EntryApplicationFactory, MemberFactory

THREE_PURCHASES = {"metric": "purchase_count", "op": "gte", "value": 3}


class BlocklistEntryFactory(DjangoModelFactory):
    """Somebody who is let in nowhere, until further notice."""

    class Meta:
        model = BlocklistEntry

    member = SubFactory(MemberFactory)
    enterprise = SelfAttribute("member.enterprise")
    reason = "反复发广告"


class PhotoFactory(DjangoModelFactory):
    """A photo that nobody has looked at yet. There is no file behind it."""

    class Meta:
        model = Evidence

    application = SubFactory(EntryApplicationFactory)
    member = SelfAttribute("application.member")
    enterprise = SelfAttribute("application.enterprise")
    value = SubFactory(
        ClassificationValueFactory, axis__enterprise=SelfAttribute("...application.enterprise")
    )
    photo = Sequence(lambda n: f"evidence/{n}.jpg")
    width, height, byte_count = 800, 600, 20_000
    file_digest = Sequence(lambda n: f"{n:064x}")
    picture_digest = Sequence(lambda n: f"{n:064x}")


def gated(mode, criterion=None, *, photos_of=(), policy=None, **fields):
    """A community with one policy."""
    community = CommunityFactory(policy=None, **fields)
    policy = EntryPolicyFactory(
        community=community, mode=mode, criterion=criterion or {}, **(policy or {})
    )
    policy.evidence_axes.set(photos_of)
    return community


def breed_club(mode=EntryMode.OPEN, criterion=None, **fields):
    """A community that asks for a photo of the pet; and 金毛, which one may claim by it."""
    axis = ClassificationAxisFactory(code="breed", name="品种")
    golden = ClassificationValueFactory(axis=axis, code="golden", name="金毛")
    club = gated(mode, criterion, photos_of=[axis], enterprise=axis.enterprise, **fields)
    return club, golden


def newcomer(community, **fields):
    return MemberFactory(enterprise=community.enterprise, **fields)


def apply(member, community, **arguments):
    return apply_for_entry(
        member, community=community, source=JoinSource.API, **{"actor": None, **arguments}
    )


def time_to_undo_passes():
    """The decisions of people take effect."""
    waiting = EntryApplication.objects.filter(settles_at__isnull=False)
    waiting.update(settles_at=Now() - timedelta(seconds=1))
    return settle_due_decisions()
