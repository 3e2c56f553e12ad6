"""How many items of a hand-over are in which state, for rows and for lists of them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import JSONObject
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from communities.models import TransferItem
from communities.rules.transfers import ItemState, Subject


def counted_items(**of: models.OuterRef) -> ArraySubquery:
    """[{subject, state, count}] of the items that ``of`` names, for an annotation."""
    items = TransferItem.objects.filter(**of).order_by().values("subject", "state")
    counts = items.annotate(count=models.Count("pk")).order_by("subject", "state")
    return ArraySubquery(
        counts.values_list(JSONObject(subject="subject", state="state", count="count"))
    )


class ItemCountSerializer(serializers.Serializer[Any]):
    """有多少条明细。"""

    subject = serializers.ChoiceField(choices=Subject.choices)
    state = serializers.ChoiceField(choices=ItemState.choices)
    count = serializers.IntegerField()


@extend_schema_field(ItemCountSerializer(many=True))
class ItemCountsField(serializers.ReadOnlyField):
    """What ``counted_items`` has found."""
