"""Somebody asked to be forgotten: what says who they are goes, and nothing brings it back."""

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.models import SandboxMessage, SegmentMember
from campaigns.rules.status import AlertStatus
from members.errors import AlreadyErased, ReasonMissing
from members.models import (
    Consent,
    EntryApplication,
    Evidence,
    Follow,
    Member,
    MemberClassification,
    MemberIdentity,
    MemberTag,
    PhoneVerification,
    Purchase,
)
from members.models.evidence import evidence_storage
from members.models.member import IdentityKind
from members.rules.rows import BadRow
from members.rules.status import ApplicationStatus
from members.services.erasing import ERASED_NAME, erase_member
from members.services.importing.newcomers import take_row
from members.services.platform_customers.recording import rename_members
from members.services.registering import edit_member, register_member
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.shared.crypto import lookup_digest
from tests.accounts.factories import UserFactory
from tests.campaigns.factories import ChurnAlertFactory, SegmentFactory
from tests.members.factories import (
    EntryApplicationFactory,
    EvidenceFactory,
    FollowFactory,
    MembershipFactory,
    PurchaseFactory,
)
from tests.members.standing_factories import (
    ConsentFactory,
    MemberClassificationFactory,
    MemberTagFactory,
)
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

NAME, PHONE = "周小满", "13912345678"


@pytest.fixture
def actor():
    return UserFactory()


@pytest.fixture
def member(actor):
    return register_member(external_id="C-7", actor=actor, nickname=NAME, phone=PHONE, birthday=308)


def erase(member, actor):
    return erase_member(member.pk, actor=actor, reason="本人 11 月 23 日来信要求")


def test_a_file_keeps_its_number_and_nothing_else(member, actor):
    erased = erase(member, actor)

    assert (erased.external_id, erased.nickname, erased.phone, erased.birthday) == (
        "C-7",
        ERASED_NAME,
        "",
        None,
    )
    assert erased.erased_at is not None
    event = AuditEvent.objects.get(verb="erase_member", object_id=member.pk)
    assert NAME not in str(event.after)


def test_identities_stay_recognisable_but_not_readable(member, actor):
    MemberIdentity.objects.create(
        enterprise=actor.enterprise,
        member=member,
        kind=IdentityKind.EXTERNAL_USERID,
        digest="d" * 64,
        value="wmABC",
    )
    digest = lookup_digest(PHONE, purpose=IdentityKind.PHONE, enterprise_id=actor.enterprise_id)
    PhoneVerification.objects.create(
        enterprise=actor.enterprise,
        phone=PHONE,
        phone_digest=digest,
        code_digest="c",
        expires_at=timezone.now(),
    )

    erase(member, actor)

    assert list(member.identities.values_list("kind", "digest", "value")) == [
        (IdentityKind.EXTERNAL_USERID, "d" * 64, "")
    ]
    assert not PhoneVerification.objects.exists()


def test_what_waits_for_them_ends(member, actor):
    own = {"member": member}
    application = EntryApplicationFactory(**own, community__enterprise=actor.enterprise)
    ConsentFactory(**own, purpose="broadcast")
    ConsentFactory(**own, purpose="profiling", decision="denied")
    MemberTagFactory(**own, tag__enterprise=actor.enterprise)
    MemberClassificationFactory(**own, enterprise=actor.enterprise)
    alert = ChurnAlertFactory(**own, community__enterprise=actor.enterprise, note=f"{NAME}不高兴")

    erase(member, actor)

    application.refresh_from_db()
    alert.refresh_from_db()
    assert application.status == ApplicationStatus.WITHDRAWN
    assert alert.status == AlertStatus.DISMISSED
    assert NAME not in alert.note
    decisions = Consent.objects.order_by("pk").values_list("purpose", "decision")
    assert list(decisions)[2:] == [("broadcast", "withdrawn")]
    assert not MemberTag.objects.current().exists()
    assert not MemberClassification.objects.filter(ended_at=None).exists()


def test_words_about_them_go_and_the_ledgers_stay(member, actor):
    own = {"member": member, "enterprise": actor.enterprise}
    membership = MembershipFactory(member=member, community__enterprise=actor.enterprise)
    FollowFactory(**own, remark=f"{NAME} 养了三只猫")
    EntryApplicationFactory(
        member=member,
        community__enterprise=actor.enterprise,
        status=ApplicationStatus.REJECTED,
        reason=f"{NAME}还差一单",
    )
    PurchaseFactory(**own)
    task = OperatorTask.objects.create(
        enterprise=actor.enterprise,
        kind="ungated_join",
        object_type="members.membership",
        object_id=membership.pk,
        title=f"核对{NAME}入群",
    )

    erase(member, actor)

    task.refresh_from_db()
    assert task.title == f"核对{ERASED_NAME}入群"
    assert Follow.objects.get().remark == ""
    assert EntryApplication.objects.get().reason == ""
    assert (Purchase.objects.count(), member.memberships.count()) == (1, 1)


def test_photos_are_deleted_once_it_is_certain(member, actor, django_capture_on_commit_callbacks):
    evidence = EvidenceFactory(
        application__member=member, application__community__enterprise=actor.enterprise
    )
    storage = evidence_storage()
    storage.save(evidence.photo.name, ContentFile(b"picture"))
    name = evidence.photo.name

    with django_capture_on_commit_callbacks(execute=True):
        erase(member, actor)

    assert not storage.exists(name)
    kept = Evidence.objects.get()
    assert (kept.photo.name, kept.byte_count) == (f"erased-{kept.pk}", 0)


def test_campaigns_forget_them_too(member, actor):
    account = ChannelAccountFactory(enterprise=actor.enterprise)
    SandboxMessage.objects.create(
        channel_account=account,
        key="dispatch-1",
        recipient_kind="member",
        recipient_ref="C-7",
        body=f"{NAME}，周六见",
    )
    SegmentMember.objects.create(
        segment=SegmentFactory(enterprise=actor.enterprise), member_id=member.pk
    )

    erase(member, actor)

    assert NAME not in SandboxMessage.objects.get().body
    assert not SegmentMember.objects.exists()


def test_neither_an_import_nor_a_reading_brings_them_back(member, actor):
    erased = erase(member, actor)

    with pytest.raises(BadRow) as bad:
        take_row(actor.enterprise, ("C-7", NAME, PHONE, "03-08"), community=None)
    rename_members({member.pk: erased}, {member.pk: ("C-7", NAME)})
    with pytest.raises(AlreadyErased):
        edit_member(member.pk, actor=actor, nickname=NAME)

    assert bad.value.code == "erased"
    member.refresh_from_db()
    assert (member.nickname, member.phone, member.birthday) == (ERASED_NAME, "", None)
    assert Member.objects.count() == 1


def test_it_happens_once_and_says_why(member, actor):
    with pytest.raises(ReasonMissing):
        erase_member(member.pk, actor=actor, reason=" ")
    erase(member, actor)

    with pytest.raises(AlreadyErased):
        erase(member, actor)


def test_the_interface_erases_for_who_manages_members(member, actor):
    api = APIClient()
    api.force_authenticate(actor)

    answer = api.post(f"/api/v1/members/{member.pk}/erase/", {"reason": "来信要求"})

    assert answer.status_code == 200
    assert answer.json()["nickname"] == ERASED_NAME
    assert answer.json()["erased_at"]
