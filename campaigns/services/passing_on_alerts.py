"""What a colleague who leaves was looking after."""

from __future__ import annotations

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from campaigns.models import ChurnAlert
from communities.models import Community


def pass_on_alerts(staff_id: int) -> int:
    """The open alerts of somebody who has left are for the adviser or owner of the community, as a
    new alert would be, or else for anybody; how many, in the caller's transaction."""
    alerts = ChurnAlert.objects.open().filter(assignee=staff_id)
    community = Community.objects.filter(pk=OuterRef("community"))
    adviser = community.filter(adviser__is_active=True).values("adviser")
    owner = community.filter(owner__is_active=True).values("owner")
    return alerts.update(assignee=Coalesce(Subquery(adviser), Subquery(owner)))
