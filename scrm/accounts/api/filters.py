from __future__ import annotations

from django_filters import rest_framework as filters

from scrm.accounts.models import ApiKey, AuditEvent, Department, Staff, User
from scrm.accounts.rules.roles import DataScope, Role
from scrm.shared.api.filters import VisibleModelChoiceFilter


class DepartmentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    parent = VisibleModelChoiceFilter(model=Department)
    name = filters.CharFilter(lookup_expr="icontains")
    external_id = filters.CharFilter()

    class Meta:
        model = Department
        fields: list[str] = []


class StaffFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    department = VisibleModelChoiceFilter(model=Department)
    name = filters.CharFilter(lookup_expr="icontains")
    external_id = filters.CharFilter()
    is_active = filters.BooleanFilter()

    class Meta:
        model = Staff
        fields: list[str] = []


class UserFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    username = filters.CharFilter(lookup_expr="icontains")
    role = filters.MultipleChoiceFilter(choices=Role.choices)
    data_scope = filters.ChoiceFilter(choices=DataScope.choices)
    is_active = filters.BooleanFilter()

    class Meta:
        model = User
        fields: list[str] = []


class ApiKeyFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    user = VisibleModelChoiceFilter(model=User)
    revoked = filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = ApiKey
        fields: list[str] = []


class AuditEventFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    verb = filters.CharFilter()
    object_type = filters.CharFilter()
    object_id = filters.NumberFilter()
    actor = VisibleModelChoiceFilter(model=User)
    happened_after = filters.IsoDateTimeFilter(field_name="happened_at", lookup_expr="gte")
    happened_before = filters.IsoDateTimeFilter(field_name="happened_at", lookup_expr="lt")

    class Meta:
        model = AuditEvent
        fields: list[str] = []
