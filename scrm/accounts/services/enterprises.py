from __future__ import annotations

from zoneinfo import available_timezones

from django.db import transaction
from django.utils.translation import gettext as _

from scrm.accounts.errors import UnknownTimeZone
from scrm.accounts.models import Enterprise, User
from scrm.accounts.services.audit import record_audit, snapshot

FIELDS = ("name", "time_zone", "profiling_needs_consent")


@transaction.atomic
def edit_enterprise(enterprise_id: int, *, actor: User, **changes: object) -> Enterprise:
    """Change ``name``, ``time_zone`` or ``profiling_needs_consent`` of the actor's own company.

    Whom a change of the last one concerns is scored, or not any more, from the next night on.
    """
    own = Enterprise.objects.filter(pk=actor.enterprise_id).select_for_update(no_key=True)
    enterprise = own.get(pk=enterprise_id)
    before = snapshot(enterprise, FIELDS)
    for name in FIELDS:
        if name in changes:
            setattr(enterprise, name, changes[name])
    if enterprise.time_zone not in available_timezones():
        raise UnknownTimeZone(_("没有“%(zone)s”这个时区。") % {"zone": enterprise.time_zone})
    enterprise.save(update_fields=FIELDS)
    after = snapshot(enterprise, FIELDS)
    record_audit(actor, verb="edit_enterprise", subject=enterprise, before=before, after=after)
    return enterprise
