from __future__ import annotations

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models.functions import Coalesce, JSONObject, Now
from django.utils.translation import gettext_lazy as _

from communities.models import ClassificationValue, Community
from members.models.entry_application import EntryApplication
from members.models.member import Member
from members.models.standing import MemberClassification, OfMembers
from members.rules.standing import EvidenceStatus
from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import DataScope

SIGHTINGS_SHOWN = 10
NOBODY = models.Value([], ArrayField(models.JSONField()))


def evidence_storage() -> Storage:
    return storages["evidence"]


class EvidenceQuerySet(OfMembers["Evidence"]):
    def visible_to(self, user: User) -> EvidenceQuerySet:
        """Who sees the member, or the community that is applied to: an applicant may be new."""
        rows = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return rows
        return rows.filter(
            models.Q(application__community__in=Community.objects.visible_to(user))
            | models.Q(member__in=Member.objects.visible_to(user))
        )

    def with_sightings(self, user: User) -> EvidenceQuerySet:
        """Annotated with ``seen_count``, how many other members brought the same photo, and
        ``seen_by``, those among them whom the user can see (ten at most)."""
        same = (
            Evidence.objects.filter(enterprise=models.OuterRef("enterprise"))
            .filter(
                models.Q(file_digest=models.OuterRef("file_digest"))
                | models.Q(picture_digest=models.OuterRef("picture_digest"))
            )
            .exclude(member=models.OuterRef("member"))
        )
        count = (
            same.order_by().values("enterprise").annotate(n=models.Count("member", distinct=True))
        )
        seen = same.filter(member__in=Member.objects.visible_to(user)).order_by("member")
        told = seen.distinct("member").values(
            data=JSONObject(id="member_id", nickname="member__nickname")
        )
        return self.annotate(
            seen_count=Coalesce(models.Subquery(count.values("n")), 0),
            seen_by=Coalesce(ArraySubquery(told[:SIGHTINGS_SHOWN]), NOBODY),
        )

    def seen_elsewhere(self, *, seen: bool = True) -> EvidenceQuerySet:
        """Of those ``with_sightings``: which others brought as well, or which nobody else did."""
        other = models.Q(seen_count__gt=0)
        return self.filter(other if seen else ~other)

    def pending(self) -> EvidenceQuerySet:
        return self.filter(status=EvidenceStatus.PENDING)


class Evidence(models.Model):
    """A photo by which a member claims a classification. Cleaned of metadata, kept outside the
    web root, and shown only to reviewers through short-lived signed addresses."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="evidence", verbose_name=_("成员")
    )
    application = models.ForeignKey(
        EntryApplication,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="evidence",
        verbose_name=_("入群申请"),
    )
    value = models.ForeignKey(
        ClassificationValue, on_delete=models.PROTECT, related_name="+", verbose_name=_("证明什么")
    )
    photo = models.FileField(_("照片"), storage=evidence_storage, max_length=200)
    width = models.PositiveIntegerField(_("宽"))
    height = models.PositiveIntegerField(_("高"))
    byte_count = models.PositiveIntegerField(_("字节"))
    file_digest = models.CharField(max_length=64, editable=False)
    picture_digest = models.CharField(max_length=64, editable=False)
    status = models.CharField(
        _("状态"), max_length=20, choices=EvidenceStatus.choices, default=EvidenceStatus.PENDING
    )
    reason = models.CharField(_("理由"), max_length=300, blank=True, default="")
    uploaded_at = models.DateTimeField(_("上传时间"), db_default=Now())
    decided_at = models.DateTimeField(_("决定时间"), null=True, blank=True)
    decided_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("审核人"),
    )
    classification = models.ForeignKey(
        MemberClassification,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="evidence",
        verbose_name=_("带来的分类"),
    )

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("凭证")
        verbose_name_plural = _("凭证")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=EvidenceStatus.values),
                name="evidence_status_is_known",
                violation_error_message=_("未知的凭证状态。"),
            ),
            models.UniqueConstraint(
                fields=["photo"],
                name="photo_file_has_one_row",
                violation_error_message=_("这个照片文件已有记录。"),
            ),
        ]
        indexes = [
            # the same photo, used by somebody else
            models.Index(fields=["enterprise", "file_digest"], name="same_evidence_file"),
            models.Index(fields=["enterprise", "picture_digest"], name="same_evidence_picture"),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
