"""Filters come in only through django-filter, and a misspelt one is refused rather than ignored."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from django_filters.utils import translate_validation
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from scrm.shared.api.pagination import KeysetPagination


class VisibleModelChoiceFilter(filters.ModelChoiceFilter):  # type: ignore[misc]  # untyped upstream
    """Filters by a row that the user can see; any other id is refused like one that never was."""

    def __init__(self, *args: Any, model: type[Model], **kwargs: Any) -> None:
        def visible(request: Request | None) -> QuerySet[Any]:
            rows: Any = model._default_manager.all()
            if request is None or not request.user.is_authenticated:
                return model._default_manager.none()
            return rows.visible_to(request.user)  # type: ignore[no-any-return]

        super().__init__(*args, queryset=visible, **kwargs)


class StrictFilterBackend(filters.DjangoFilterBackend):  # type: ignore[misc]  # untyped upstream
    """A query parameter nobody reads is 400: ``?statuss=active`` must not list everything."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        if getattr(view, "action", "list") != "list":
            return queryset
        filterset = self.get_filterset(request, queryset, view)
        form = filterset.form if filterset is not None else None
        known = {name for field in form or () for name in names_of(field)}
        refuse_unknown(request, known | set(KeysetPagination.parameters))
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise translate_validation(filterset.errors)
        filtered: QuerySet[Any] = filterset.qs
        return filtered


def names_of(field: Any) -> set[str]:
    """The parameters that one filter reads: a range reads name_after, name_before and the like."""
    suffixes = getattr(field.field.widget, "suffixes", None) or []
    return {field.name} | {f"{field.name}_{suffix}" for suffix in suffixes if suffix}


def refuse_unknown(request: Request, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        message = _("没有这个查询参数。")
        raise ValidationError(
            {name[:60]: [ErrorDetail(message, "unknown_parameter")] for name in unknown}
        )
