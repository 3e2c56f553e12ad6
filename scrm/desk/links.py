"""Every number leads to the list of the rows that make it."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from communities.rules.status import OPEN_FOR_ENTRY

RUNNING_COMMUNITIES = "status__in=" + ",".join(sorted(OPEN_FOR_ENTRY))
IN_REVIEW = "status__exact=in_review"
MINE = "mine=yes"


def changelist(model: str, *conditions: str) -> str:
    """The list of a model, narrowed; empty when the model has no page."""
    try:
        link = reverse(f"admin:{model.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""
    return f"{link}?{'&'.join(conditions)}" if conditions else link
