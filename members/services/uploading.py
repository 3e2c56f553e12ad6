"""Handing in photos as evidence, and keeping their files."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import BinaryIO

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import ClassificationValue
from members.errors import BelongsElsewhere, EvidenceNotAsked, TooManyUploads
from members.models import EntryApplication, Evidence
from members.models.evidence import evidence_storage
from members.rules.photos import UPLOADS_PER_AXIS
from members.rules.standing import EvidenceStatus
from members.rules.status import UNDECIDED, ApplicationStatus
from members.selectors.evidence import missing_evidence
from members.services.applications import locked_application
from members.services.deciding import reconsider_application
from members.services.photos import CleanPhoto, clean_photo
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.crypto import lookup_digest

logger = logging.getLogger(__name__)

ORPHAN_AFTER = timedelta(hours=1)  # far longer than an upload takes to be written down
ORPHAN_BATCH = 500


def submit_evidence(
    application_id: int,
    *,
    value: ClassificationValue,
    upload: BinaryIO,
    actor: User | None = None,
) -> Evidence:
    """Hand in a photo that the applicant has this value; the application is then looked at again.

    A new photo takes the place of one of the same axis that nobody has decided on. Raises a
    ``BadPhoto`` for a file that is not a usable photo, and a ``DomainError`` where no photo is
    asked for. No transaction is open while the photo is read.
    """
    application = EntryApplication.objects.select_related("policy").get(pk=application_id)
    _refuse_uploads(application, value)
    photo = clean_photo(upload)
    with _stored(photo, application.enterprise_id) as name:
        return _add(application_id, value, photo, name=name, actor=actor)


def remove_orphan_photos(now: datetime) -> int:
    """Delete the files of uploads that were never written down, as after a crash."""
    storage = evidence_storage()
    removed = 0
    for folder in _listed(storage, "")[0]:
        names = [f"{folder}/{name}" for name in _listed(storage, folder)[1]]
        for start in range(0, len(names), ORPHAN_BATCH):
            removed += _remove_orphans_among(names[start : start + ORPHAN_BATCH], now)
    return removed


@transaction.atomic
def _add(
    application_id: int,
    value: ClassificationValue,
    photo: CleanPhoto,
    *,
    name: str,
    actor: User | None,
) -> Evidence:
    application = locked_application(application_id)
    _refuse_uploads(application, value)
    _replace_former(application, value)
    evidence = Evidence.objects.create(
        enterprise_id=application.enterprise_id,
        member=application.member,
        application=application,
        value=value,
        photo=name,
        width=photo.width,
        height=photo.height,
        byte_count=len(photo.jpeg),
        file_digest=lookup_digest(
            photo.original, purpose="evidence file", enterprise_id=application.enterprise_id
        ),
        picture_digest=_picture_digest(photo, application.enterprise_id),
    )
    record_audit(
        actor,
        verb="submit_evidence",
        subject=evidence,
        after={"application": application_id, "value": value},
    )
    reconsider_application(application_id)
    return evidence


def _refuse_uploads(application: EntryApplication, value: ClassificationValue) -> None:
    """Nobody changes a photo that a reviewer is looking at."""
    axis = value.axis
    if axis.enterprise_id != application.enterprise_id:
        raise BelongsElsewhere(_("分类和申请不属于同一家企业。"))
    if application.status not in UNDECIDED:
        raise EvidenceNotAsked(_("这个申请已有结果，不用再传照片。"))
    if not application.policy.evidence_axes.filter(pk=axis.pk).exists():
        raise EvidenceNotAsked(_("这个社群不需要“%(axis)s”的照片。") % {"axis": axis.name})
    if application.status == ApplicationStatus.IN_REVIEW and axis not in missing_evidence(
        application
    ):
        raise EvidenceNotAsked(_("照片正在审核，不能再换。要换照片，请撤回后重新申请。"))
    if application.evidence.filter(value__axis=axis).count() >= UPLOADS_PER_AXIS:
        raise TooManyUploads(
            _("“%(axis)s”的照片最多传 %(limit)d 次。")
            % {"axis": axis.name, "limit": UPLOADS_PER_AXIS}
        )


def _replace_former(application: EntryApplication, value: ClassificationValue) -> None:
    Evidence.objects.pending().filter(application=application, value__axis=value.axis_id).update(
        status=EvidenceStatus.REJECTED, reason=_("申请人换了一张照片。"), decided_at=Now()
    )


# --- recognising --------------------------------------------------------------------------------


def _picture_digest(photo: CleanPhoto, enterprise_id: int) -> str:
    """One digest for one picture, however often it is saved again: that of the first who brought
    it. A picture too plain to be recognised goes by its bytes."""
    looks = [str(sketch) for sketch in photo.sketches] or [photo.original]
    digests = [
        lookup_digest(look, purpose="evidence picture", enterprise_id=enterprise_id)
        for look in looks
    ]
    seen = Evidence.objects.filter(enterprise=enterprise_id, picture_digest__in=digests)
    return seen.order_by("pk").values_list("picture_digest", flat=True).first() or digests[0]


# --- files --------------------------------------------------------------------------------------


@contextmanager
def _stored(photo: CleanPhoto, enterprise_id: int) -> Iterator[str]:
    """The photo under a name that nobody can guess; gone again if the block fails.

    Where nobody knows whether the block's transaction was committed, the file stays, and
    ``remove_orphan_photos`` looks at it later.
    """
    storage = evidence_storage()
    wanted = f"{enterprise_id}/{secrets.token_hex(20)}.jpg"
    name = storage.save(wanted, ContentFile(photo.jpeg))
    try:
        yield name
    except (OperationalError, InterfaceError):
        raise
    except BaseException:
        storage.delete(name)
        raise


def _listed(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    try:
        return storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _remove_orphans_among(names: list[str], now: datetime) -> int:
    storage = evidence_storage()
    known = set(Evidence.objects.filter(photo__in=names).values_list("photo", flat=True))
    removed = 0
    for name in names:
        if name in known or now - storage.get_modified_time(name) < ORPHAN_AFTER:
            continue
        storage.delete(name)
        removed += 1
    if removed:
        logger.info("orphan photos removed", extra={"count": removed})
    return removed
