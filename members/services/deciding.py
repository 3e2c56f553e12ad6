"""Judging applications."""

from __future__ import annotations

from django.db import transaction

from members.models import EntryApplication


@transaction.atomic
def reconsider_application(application_id: int) -> EntryApplication:
    """Judge an undecided application again: its evidence arrived or the policy changed."""
    return EntryApplication.objects.get(pk=application_id)
