from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from scrm.accounts.models.enterprise import Enterprise, Staff
from scrm.accounts.rules.roles import Capability, DataScope, Role, capabilities_of

if TYPE_CHECKING:
    from scrm.accounts.models.api_key import ApiKey


class UserQuerySet(models.QuerySet["User"]):
    def visible_to(self, user: User) -> UserQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class UserManagerOfEnterprise(UserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Django's user manager, with this model's vocabulary."""


class User(AbstractUser):
    """A login. Belongs to exactly one enterprise; not even a superuser sees beyond it.

    A session lasts as long as the password and the ``session_epoch`` that it was opened with.

    ``acting_key`` is set for the length of a request that was signed with an API key: the user
    can then do no more than the key's scopes allow, and audit rows name the key.
    """

    acting_key: ApiKey | None = None

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="users", verbose_name=_("企业")
    )
    staff = models.OneToOneField(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="user",
        verbose_name=_("对应员工"),
    )
    role = models.CharField(_("角色"), max_length=20, choices=Role.choices, default=Role.READ_ONLY)
    data_scope = models.CharField(
        _("数据范围"), max_length=20, choices=DataScope.choices, default=DataScope.ALL
    )

    session_epoch = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    REQUIRED_FIELDS = ["email", "enterprise"]

    objects: ClassVar[UserManagerOfEnterprise] = UserManagerOfEnterprise()

    class Meta:
        verbose_name = _("用户")
        verbose_name_plural = _("用户")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values),
                name="user_role_is_known",
                violation_error_message=_("未知的角色。"),
            ),
            models.CheckConstraint(
                condition=models.Q(data_scope__in=DataScope.values),
                name="user_data_scope_is_known",
                violation_error_message=_("未知的数据范围。"),
            ),
        ]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What Django compares with the session's own in every request."""
        digest: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]  # not in stubs
        if not self.session_epoch:
            return digest
        value = f"{self.session_epoch} {digest}"
        return salted_hmac("scrm.session_epoch", value, secret, algorithm="sha256").hexdigest()

    def can(self, capability: Capability) -> bool:
        """Whether this user may, in this request, use verbs that ask for ``capability``."""
        if not self.is_active or capability not in capabilities_of(self.role):
            return False
        return self.acting_key is None or capability in self.acting_key.scopes
