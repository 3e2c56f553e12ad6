from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.accounts.errors import ExpiryInThePast, KeyIsRevoked, ScopeNotHeld, UserIsDisabled
from scrm.accounts.models import ApiKey, User
from scrm.accounts.rules.roles import Capability, capabilities_of
from scrm.accounts.services.audit import record_audit, snapshot

PLAIN_PREFIX: Final = "scrm_"
SHOWN_LENGTH: Final = 12
USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)


def digest_of(plain: str) -> str:
    """A key has 256 random bits, so one fast hash is enough and can be looked up."""
    return hashlib.sha256(plain.encode()).hexdigest()


@transaction.atomic
def create_api_key(
    *,
    actor: User,
    name: str,
    scopes: Collection[str],
    user: User | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is never to be had again."""
    owner = User.objects.visible_to(actor).select_for_update(no_key=True).get(pk=(user or actor).pk)
    if not owner.is_active:
        raise UserIsDisabled(_("“%(user)s”已停用，不能再有新的密钥。") % {"user": owner})
    if expires_at is not None and expires_at <= timezone.now():
        raise ExpiryInThePast(_("到期时间必须在将来。"))
    beyond = [scope for scope in scopes if not may_hold(owner, scope, giver=actor)]
    if beyond:
        message = _("不能授予使用者或你自己没有的权限：%(scopes)s。")
        raise ScopeNotHeld(message % {"scopes": ", ".join(beyond)}, details={"scopes": beyond})
    plain = PLAIN_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        enterprise_id=owner.enterprise_id,
        user=owner,
        name=name,
        prefix=plain[:SHOWN_LENGTH],
        digest=digest_of(plain),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    after = snapshot(key, ["name", "prefix", "user", "scopes", "expires_at"])
    record_audit(actor, verb="create_api_key", subject=key, after=after)
    return key, plain


def may_hold(owner: User, scope: str, *, giver: User) -> bool:
    """A key never widens anybody: neither its user nor the one who makes it."""
    if scope not in Capability.values:
        return False
    return scope in capabilities_of(owner.role) and giver.can(Capability(scope))


@transaction.atomic
def revoke_api_key(api_key_id: int, *, actor: User) -> ApiKey:
    key = ApiKey.objects.visible_to(actor).select_for_update(no_key=True).get(pk=api_key_id)
    if key.revoked_at is not None:
        raise KeyIsRevoked(_("密钥“%(key)s”已经吊销。") % {"key": key})
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    record_audit(actor, verb="revoke_api_key", subject=key, after={"revoked_at": key.revoked_at})
    return key


def find_usable_key(plain: str) -> ApiKey | None:
    """The key with this plain text, with its user, if it may be used now."""
    if not plain.startswith(PLAIN_PREFIX):
        return None
    usable = ApiKey.objects.usable(timezone.now()).select_related("user__enterprise", "user__staff")
    return usable.filter(digest=digest_of(plain)).first()


def note_use(key: ApiKey) -> None:
    """Remember roughly when a key was last used, without a write for every request."""
    now = timezone.now()
    stale = now - USE_IS_NOTED_EVERY
    if key.last_used_at is None or key.last_used_at < stale:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
