"""Filters come in only through django-filter, and a misspelt one is refused rather than ignored."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from scrm.shared.api.pagination import KeysetPagination


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # untyped upstream
    """A query parameter nobody reads is 400: ``?statuss=active`` must not list everything."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        if getattr(view, "action", "list") == "list":
            self.refuse_unknown(request, queryset, view)
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered

    def refuse_unknown(self, request: Request, queryset: QuerySet[Model], view: APIView) -> None:
        filterset = self.get_filterset_class(view, queryset)
        known = set(KeysetPagination.parameters)
        if filterset is not None:
            # a range filter reads name_after, name_before and the like
            known |= set(filterset(data={}, queryset=queryset).form.fields)
            known |= {name for field in filterset().form for name in field_names(field)}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            message = _("没有这个查询参数。")
            raise ValidationError(
                {name[:60]: [ErrorDetail(message, "unknown_parameter")] for name in unknown}
            )


def field_names(field: Any) -> set[str]:
    widget = field.field.widget
    suffixes = getattr(widget, "suffixes", None) or []
    return {f"{field.name}_{suffix}" if suffix else field.name for suffix in suffixes} | {
        field.name
    }
