"""Who may not be profiled any more has no profile: no score, no forecast, no value."""

from __future__ import annotations

from django.db import connection, transaction

from members.models import ChurnForecast, ChurnScore, Member, MemberValue, PastValue
from members.selectors.profiling import may_be_profiled
from scrm.shared.sql import sql


@transaction.atomic
def forget_profile(member_id: int) -> bool:
    """Drop what was computed about a member, unless they may be profiled. Returns whether it was.

    What was already checked stays: it counts, and names nobody.
    """
    member = Member.objects.select_related("enterprise").get(pk=member_id)
    may = sql("SELECT {}", may_be_profiled(member.enterprise, str(member.pk)))
    with connection.cursor() as cursor:
        cursor.execute(may.text, may.params)
        (allowed,) = cursor.fetchone()
    if allowed:
        return False
    ChurnScore.objects.filter(member=member).delete()
    MemberValue.objects.filter(member=member).delete()
    PastValue.objects.filter(member=member).delete()
    ChurnForecast.objects.filter(
        member=member, community__in=member.memberships.values("community")
    ).delete()
    return True
