"""The product's addresses, and the two usual ways to take events with Django REST framework."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.urls import path
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from members.models import Member
from scrm.accounts.api.permissions import SIGNED_IN
from scrm.urls import handler400, handler403, handler404, handler500
from scrm.urls import urlpatterns as of_the_product


class CrmEvent(models.Model):
    """As such a table usually looks: a key, a foreign key, two indexes."""

    member = models.ForeignKey(Member, on_delete=models.DO_NOTHING, to_field="id")
    kind = models.CharField(max_length=20)
    dedupe_key = models.CharField(max_length=128, unique=True)
    occurred_at = models.DateTimeField()

    class Meta:
        app_label = "bench"
        managed = False
        db_table = "bench_crm_event"

    def __str__(self) -> str:
        return self.dedupe_key


class CrmEventSerializer(serializers.ModelSerializer[CrmEvent]):
    member = serializers.SlugRelatedField(slug_field="external_id", queryset=Member.objects.all())

    class Meta:
        model = CrmEvent
        fields = ("id", "member", "kind", "dedupe_key", "occurred_at")


class OneByOne(generics.CreateAPIView[CrmEvent]):
    queryset = CrmEvent._default_manager.all()
    serializer_class = CrmEventSerializer
    required_capabilities = {"post": SIGNED_IN}


class Many(OneByOne):
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data, many=True)
        serializer.is_valid(raise_exception=True)
        CrmEvent._default_manager.bulk_create(
            [CrmEvent(**values) for values in serializer.validated_data], ignore_conflicts=True
        )
        return Response(status=201)


urlpatterns = [
    path("peer/one", OneByOne.as_view()),
    path("peer/many", Many.as_view()),
    *of_the_product,
]

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
