"""Who may open an admin page, and which rows its relations may offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.admin import RelatedFieldListFilter
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.http import HttpRequest
from unfold.contrib.filters.admin.dropdown_filters import RelatedDropdownFilter

from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability


def admin_user(request: HttpRequest) -> User:
    """The operator; the admin lets nobody else through."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("An admin page was asked for without a signed-in user.")
    return user


def may(request: HttpRequest, capability: Capability | None) -> bool:
    """Whether the operator holds ``capability``; None is what nobody may do."""
    user = request.user
    return capability is not None and isinstance(user, User) and user.can(capability)


def visible_rows(model: type[models.Model], user: User) -> models.QuerySet[Any]:
    rows: Any = model._default_manager.all()
    if not hasattr(rows, "visible_to"):
        raise ImproperlyConfigured(f"{model.__name__} has no visible_to() and so no admin form.")
    return rows.visible_to(user)  # type: ignore[no-any-return]


def gate(capability: Capability) -> Callable[..., bool]:
    def has_permission(self: object, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, capability)

    return has_permission


def has_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


class VisibleRelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]  # untyped upstream
    """A filter by a relation that offers only the operator's own rows."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        visible = visible_rows(field.remote_field.model, admin_user(request))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(
            include_blank=False, limit_choices_to={"pk__in": visible}, ordering=ordering
        )


def offers_all_rows(kind: type) -> bool:
    return issubclass(kind, RelatedFieldListFilter) and not issubclass(kind, VisibleRelatedFilter)


class ScopedRelations:
    """Choices of relations in forms: the operator's own rows only."""

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["queryset"] = self.choices_of(db_field, request, kwargs.get("queryset"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["queryset"] = self.choices_of(db_field, request, kwargs.get("queryset"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]

    def choices_of(
        self, db_field: Any, request: HttpRequest, narrowed: models.QuerySet[Any] | None
    ) -> models.QuerySet[Any]:
        visible = visible_rows(db_field.remote_field.model, admin_user(request))
        return visible if narrowed is None else visible & narrowed


class Colours(dict[str, str]):
    """The colour of each label. One without a colour is grey and keeps its words: of a plain dict
    Unfold shows the stored value instead."""

    def __missing__(self, key: str) -> str:
        return ""


class CapabilityGates:
    """Permission methods from declared capabilities. What is not declared is denied."""

    view_capability: ClassVar[Capability | None] = None
    add_capability: ClassVar[Capability | None] = None
    change_capability: ClassVar[Capability | None] = None
    delete_capability: ClassVar[Capability | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for column in vars(cls).values():
            if isinstance(getattr(column, "label", None), dict):
                column.label = Colours(column.label)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.view_capability) or may(request, self.change_capability)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.add_capability)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.change_capability)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.delete_capability)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_or_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)
