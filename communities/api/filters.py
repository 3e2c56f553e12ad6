from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from communities.api.classified_as import CommunityClassifiedAs
from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    EntryPolicy,
    GroupChat,
    Tier,
    TierScheme,
)
from communities.rules.kinds import Circle, CommunityKind, EntryMode
from communities.rules.status import ChatPlatformStatus, ChatState, CommunityStatus
from communities.selectors import undersized
from scrm.accounts.models import Staff
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.wecom.models import ChannelAccount


class VisibleModelMultipleChoiceFilter(filters.ModelMultipleChoiceFilter):  # type: ignore[misc]  # untyped upstream
    """Filters by several rows that the user can see."""

    def __init__(self, *args: Any, model: type[Model], **kwargs: Any) -> None:
        def visible(request: Any) -> QuerySet[Any]:
            if request is None or not request.user.is_authenticated:
                return model._default_manager.none()
            rows: Any = model._default_manager.all()
            return rows.visible_to(request.user)  # type: ignore[no-any-return]

        super().__init__(*args, queryset=visible, **kwargs)


class CommunityFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=CommunityStatus.choices)
    kind = filters.MultipleChoiceFilter(choices=CommunityKind.choices)
    circle = filters.MultipleChoiceFilter(choices=Circle.choices)
    code = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")
    parent = VisibleModelChoiceFilter(model=Community)
    owner = VisibleModelChoiceFilter(model=Staff)
    minimum_tier = VisibleModelChoiceFilter(model=Tier)
    # repeated, a community has to carry every value: ?classification=3&classification=8
    classification = VisibleModelMultipleChoiceFilter(
        field_name="classification_values", model=ClassificationValue, conjoined=True
    )
    classified_as = CommunityClassifiedAs()
    undersized = filters.BooleanFilter(
        method="with_size",
        help_text=_("运营满 30 天、现有成员仍少于最小规模。"),
    )

    class Meta:
        model = Community
        fields: list[str] = []

    def with_size(
        self, communities: QuerySet[Community], name: str, value: bool
    ) -> QuerySet[Community]:
        small = undersized(Community.objects.all(), now=timezone.now()).values("pk")
        return communities.filter(pk__in=small) if value else communities.exclude(pk__in=small)


class AxisFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    code = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = ClassificationAxis
        fields: list[str] = []


class ValueFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    axis = VisibleModelChoiceFilter(model=ClassificationAxis)
    parent = VisibleModelChoiceFilter(model=ClassificationValue)
    code = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = ClassificationValue
        fields: list[str] = []


class TierSchemeFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = TierScheme
        fields: list[str] = []


class TierFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    scheme = VisibleModelChoiceFilter(model=TierScheme)

    class Meta:
        model = Tier
        fields: list[str] = []


class EntryPolicyFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    mode = filters.MultipleChoiceFilter(choices=EntryMode.choices)
    is_active = filters.BooleanFilter()

    class Meta:
        model = EntryPolicy
        fields: list[str] = []


class GroupChatFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    unassigned = filters.BooleanFilter(field_name="community", lookup_expr="isnull")
    channel_account = VisibleModelChoiceFilter(model=ChannelAccount)
    owner = VisibleModelChoiceFilter(model=Staff)
    state = filters.MultipleChoiceFilter(choices=ChatState.choices)
    platform_status = filters.MultipleChoiceFilter(choices=ChatPlatformStatus.choices)
    external_id = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = GroupChat
        fields: list[str] = []
