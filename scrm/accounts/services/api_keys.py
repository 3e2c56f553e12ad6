from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from copy import copy
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
from scrm.shared.prepared import run_prepared

PLAIN_PREFIX: Final = "scrm_"
SHOWN_LENGTH: Final = 12
USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)

# Versions of the rows that are read with a key; the place of a row changes with every update, also
# within one transaction.
VERSIONS = """
SELECT concat_ws(' ', key.xmin, key.ctid, usr.xmin, usr.ctid, enterprise.xmin, enterprise.ctid,
                 staff.xmin, staff.ctid)
FROM accounts_apikey key
JOIN accounts_user usr ON usr.id = key.user_id
JOIN accounts_enterprise enterprise ON enterprise.id = usr.enterprise_id
LEFT JOIN accounts_staff staff ON staff.id = usr.staff_id
WHERE key.digest = %(digest)s AND key.revoked_at IS NULL AND usr.is_active
  AND (key.expires_at IS NULL OR key.expires_at > %(now)s)
"""
KEPT: dict[str, tuple[str, ApiKey]] = {}
KEPT_MOST: Final = 1000


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
    """The key with this plain text, with its user, if it may be used now.

    What was read is kept as long as none of its rows has another version: asking for the versions
    costs a tenth of reading the rows. So whatever changes is seen by the next request.
    """
    if not plain.startswith(PLAIN_PREFIX):
        return None
    digest, now = digest_of(plain), timezone.now()
    found = run_prepared(VERSIONS, {"digest": digest, "now": now})
    if not found:
        KEPT.pop(digest, None)
        return None
    ((versions,),) = found
    kept = KEPT.get(digest)
    if kept is not None and kept[0] == versions:
        return _copied(kept[1])
    usable = ApiKey.objects.usable(now).select_related("user__enterprise", "user__staff")
    key = usable.filter(digest=digest).first()
    if key is not None:
        if len(KEPT) >= KEPT_MOST:
            KEPT.clear()
        KEPT[digest] = versions, _copied(key)
    return key


def _copied(key: ApiKey) -> ApiKey:
    """With a user, enterprise and colleague of its own: a request may change what it holds."""
    key = copy(key)
    key.user = copy(key.user)
    key.user.enterprise = copy(key.user.enterprise)
    if key.user.staff is not None:
        key.user.staff = copy(key.user.staff)
    return key


def note_use(key: ApiKey) -> None:
    """Remember roughly when a key was last used, without a write for every request."""
    now = timezone.now()
    stale = now - USE_IS_NOTED_EVERY
    if key.last_used_at is None or key.last_used_at < stale:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)
