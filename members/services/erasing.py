"""Forgetting somebody who asks for it.

What says who they are goes, everywhere: name, phone, birthday, remarks, photos, the words of
colleagues about them. The ledgers stay and keep the number: that somebody bought, joined, left or
consented is history. The number and the digests by which outside systems are recognised stay too,
because without them the next import or reading would bring the person back.

Sources: PIPL, articles 15 and 47; GDPR, article 17.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat, Now
from django.utils.translation import gettext as _

from members.errors import AlreadyErased, ReasonMissing
from members.models import (
    BlocklistEntry,
    ChurnScore,
    EntryApplication,
    Evidence,
    Follow,
    Member,
    MemberClassification,
    MemberIdentity,
    Membership,
    MemberTag,
    PhoneVerification,
    Stay,
    TierAssignment,
)
from members.models.evidence import evidence_storage
from members.models.member import IdentityKind
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.selectors.consent import consents
from members.services.classifying import end_classification
from members.services.consenting import record_consent
from members.services.joining import withdraw_application
from members.signals import member_erased
from scrm.accounts.models import OperatorTask, User
from scrm.accounts.services.audit import record_audit

#: What stands where a name stood. In Chinese whoever asked: it is kept, not shown in a language.
ERASED_NAME = "已抹除"
SOURCE = "erasure"


@transaction.atomic
def erase_member(member_id: int, *, actor: User, reason: str) -> Member:
    """Cannot be undone. ``reason`` says who asked for it and how, never who they were.

    What waits for them ends: applications, consents, tags, classifications. Memberships and stays
    are facts of the platform and end there. Raises ``AlreadyErased``, ``ReasonMissing``.
    """
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.erased_at is not None:
        raise AlreadyErased(_("这位成员的个人信息已经抹除。"))
    if not reason.strip():
        raise ReasonMissing(_("请写明是谁、怎样要求抹除的。"))
    _end_what_waits(member, actor)
    name = member.nickname
    phones = member.identities.filter(kind=IdentityKind.PHONE)
    digests = list(phones.values_list("digest", flat=True))
    member.nickname, member.phone, member.birthday = ERASED_NAME, "", None
    member.erased_at = Now()
    member.save(update_fields=["nickname", "phone", "birthday", "erased_at"])
    _forget_identities(member, digests)
    _forget_words(member)
    _forget_tasks(member, name)
    _forget_photos(member)
    record_audit(actor, verb="erase_member", subject=member, after={"reason": reason})
    member_erased.send(sender=Member, member_id=member.pk)
    member.refresh_from_db()
    return member


def _end_what_waits(member: Member, actor: User) -> None:
    for application in EntryApplication.objects.open().filter(member=member).order_by("pk"):
        withdraw_application(application.pk, actor=actor)
    for purpose in ConsentPurpose.values:
        if consents(member, purpose):
            record_consent(
                member,
                purpose=purpose,
                decision=ConsentDecision.WITHDRAWN,
                text_version=SOURCE,
                source=SOURCE,
                actor=actor,
            )
    MemberTag.objects.current().filter(member=member).update(removed_at=Now())
    for classification in MemberClassification.objects.filter(member=member, ended_at=None):
        end_classification(classification.pk, actor=actor)
    ChurnScore.objects.filter(member=member).delete()


def _forget_identities(member: Member, phones: list[str]) -> None:
    """The digests that name them on the platform stay, so that they are recognised as erased."""
    MemberIdentity.objects.filter(member=member, kind=IdentityKind.PHONE).delete()
    MemberIdentity.objects.filter(member=member).update(value="")
    verifications = PhoneVerification.objects.filter(enterprise=member.enterprise_id)
    verifications.filter(phone_digest__in=phones).delete()


def _forget_words(member: Member) -> None:
    """What colleagues wrote about them."""
    Follow.objects.filter(member=member).update(remark="")
    EntryApplication.objects.filter(member=member).update(reason="")
    Evidence.objects.filter(member=member).update(reason="")
    TierAssignment.objects.filter(member=member).update(reason="")
    BlocklistEntry.objects.filter(member=member).update(reason=ERASED_NAME)


def _forget_tasks(member: Member, name: str) -> None:
    """Tasks for colleagues say whom they are about; those about them say it no more."""
    if not name:
        return
    theirs: tuple[QuerySet[Any], ...] = (
        Member.objects.filter(pk=member.pk),
        EntryApplication.objects.filter(member=member),
        Membership.objects.filter(member=member),
        Stay.objects.filter(member=member),
    )
    for rows in theirs:
        tasks = OperatorTask.objects.filter(
            enterprise=member.enterprise_id,
            object_type=rows.model._meta.label_lower,
            object_id__in=rows.values("pk"),
        )
        for task in tasks.filter(title__contains=name):
            task.title = task.title.replace(name, ERASED_NAME)
            task.save(update_fields=["title"])


def _forget_photos(member: Member) -> None:
    """The files go once this is certain. That there was a photo, and what became of it, stays."""
    rows = Evidence.objects.filter(member=member)
    names = list(rows.values_list("photo", flat=True))
    number = Concat(Value("erased-"), F("pk"))
    rows.update(photo=number, file_digest=number, picture_digest=number, byte_count=0)
    storage = evidence_storage()
    for name in names:
        transaction.on_commit(partial(storage.delete, name), robust=True)
