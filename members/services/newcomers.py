"""Putting many customers on file at once, of whom nothing but the number is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from members.models import Consent
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.services.tier_marks import CONSENTS, mark_tiers_due
from scrm.accounts.models import Enterprise

SOURCE = "import"

# In the order of the numbers, so that two imports at once wait but never in a circle.
PUT_ON_FILE = """
INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
SELECT %(enterprise)s, external_id, left(coalesce(nullif(nickname, ''), external_id), 120), ''
FROM unnest(%(external_ids)s::text[], %(nicknames)s::text[]) given (external_id, nickname)
WHERE NOT EXISTS (
    SELECT FROM members_member known
    WHERE known.enterprise_id = %(enterprise)s AND known.external_id = given.external_id
)
ORDER BY external_id
ON CONFLICT DO NOTHING
RETURNING id
"""


@transaction.atomic
def create_missing_members(
    enterprise: Enterprise,
    external_ids: set[str],
    *,
    consent_text: str = "",
    nicknames: Mapping[str, str] | None = None,
) -> list[int]:
    """Put unknown customers on file under their nicknames by external id, or under their external
    ids, until somebody gives them a name.

    ``consent_text`` is the version of the text under which all of them have agreed to profiling,
    where they have: it is recorded for those who are new, never for those who were known before.
    Returns who is new.
    """
    named = sorted(external_ids)
    values: dict[str, Any] = {
        "enterprise": enterprise.pk,
        "external_ids": named,
        "nicknames": [(nicknames or {}).get(external_id, "") for external_id in named],
    }
    with connection.cursor() as cursor:
        cursor.execute(PUT_ON_FILE, values)
        created = [pk for (pk,) in cursor.fetchall()]
    if consent_text and created:
        agree_to_profiling(enterprise, created, text_version=consent_text)
    return created


def agree_to_profiling(enterprise: Enterprise, member_ids: list[int], *, text_version: str) -> None:
    """Record the consent of people who are new, so that no earlier word of theirs counts."""
    Consent.objects.bulk_create(
        [
            Consent(
                member_id=member_id,
                purpose=ConsentPurpose.PROFILING,
                decision=ConsentDecision.GRANTED,
                text_version=text_version,
                source=SOURCE,
            )
            for member_id in member_ids
        ],
        batch_size=1000,
    )
    mark_tiers_due(enterprise.pk, member_ids, moved=CONSENTS)
