"""The base of our viewsets: an action gets its row, reads its body, calls one verb and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from scrm.shared.api.serializers import EmptySerializer

type Verb = Callable[..., Model]
type Body = type[BaseSerializer[Any]]


class VerbViewSet[M: Model](GenericViewSet[M]):
    """Rows are read with ``serializer_class`` and changed by verbs.

    A verb takes the row's id, ``actor`` and what its body declares, and returns the row. The
    answer is read again through ``get_queryset``, so that it looks like any other answer.
    """

    def body(self, serializer: Body, *, partial: bool = False) -> dict[str, Any]:
        reader = serializer(
            data=self.request.data, partial=partial, context=self.get_serializer_context()
        )
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def run_verb(
        self, verb: Verb, *, body: Body = EmptySerializer, partial: bool = False
    ) -> Response:
        """One verb on the row of this URL."""
        row = self.get_object()
        values = self.body(body, partial=partial)
        return self.answer(verb(row.pk, actor=self.request.user, **values))

    def run_create(self, verb: Verb, *, body: Body) -> Response:
        """One verb that makes a new row."""
        return self.answer(
            verb(actor=self.request.user, **self.body(body)), code=status.HTTP_201_CREATED
        )

    def answer(self, row: Model, *, code: int = status.HTTP_200_OK) -> Response:
        """The row as everybody sees it, or 404 when the change took it out of sight."""
        seen = self.get_queryset().get(pk=row.pk)
        return Response(self.get_serializer(seen).data, status=code)


def command(
    *,
    body: Body = EmptySerializer,
    answer: Body | None = None,
    code: int = status.HTTP_200_OK,
    detail: bool = True,
    **options: Any,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """``POST /things/7/verb/``: declares the route and documents its body and its answer."""

    def declare(method: Callable[..., Response]) -> Callable[..., Response]:
        request = None if body is EmptySerializer else body
        responses: Any = empty if answer is None else {code: answer}
        documented = extend_schema(request=request, responses=responses)
        routed = action(detail=detail, methods=["post"], **options)(method)
        return documented(routed)  # outermost: @action drops what was documented before it

    return declare


__all__ = ["Request", "VerbViewSet", "command"]
