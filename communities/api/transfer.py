"""Hand-overs: drafted with a preflight, submitted, approved by somebody else, item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from communities.api import transfer_bodies as bodies
from communities.api.transfer_preflight import PreflightSerializer, preflight_data
from communities.api.transfer_rows import (
    OwnershipTransferDetailSerializer,
    OwnershipTransferSerializer,
    TransferNoticeSerializer,
    with_items_counted,
)
from communities.models import (
    GroupChat,
    OwnershipTransfer,
    ResignationCase,
    TransferItem,
    TransferNotice,
)
from communities.rules.transfer_words import reason_words
from communities.rules.transfers import NoticeRole, NoticeState, TransferStatus
from communities.services.transfers import items as transfer_items
from communities.services.transfers import returning, submitting
from communities.services.transfers.eligibility import receiver_loads
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter, refuse_unknown
from scrm.shared.api.serializers import EmptySerializer
from scrm.shared.api.verbs import Body, VerbViewSet, command

VIEW = Capability.VIEW_COMMUNITIES
MANAGE, APPROVE = Capability.TRANSFER_OWNERSHIP, Capability.APPROVE_TRANSFERS

type ItemVerb = Callable[..., OwnershipTransfer]


class ReceiverLoadSerializer(serializers.Serializer[Any]):
    """一位可能的接手人和他的负担。"""

    id = serializers.IntegerField(source="staff.pk")
    name = serializers.CharField(source="staff.name")
    department = serializers.CharField(source="staff.department.name", default="")
    owned = serializers.IntegerField(help_text=_("现在名下的。"))
    incoming = serializers.IntegerField(help_text=_("各次转让正要给他的。"))
    maximum = serializers.IntegerField(
        allow_null=True, help_text=_("转让规则的上限；null 表示没有。")
    )
    left = serializers.IntegerField(allow_null=True, help_text=_("还能接多少；null 表示不限。"))
    refusal = serializers.CharField(help_text=_("不能接手的原因代码；空表示可以。"))
    words = serializers.SerializerMethodField(help_text=_("不能接手的原因，给人看。"))

    def get_words(self, load: Any) -> str:
        return reason_words(load.refusal) if load.refusal else ""


class OwnershipTransferFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=TransferStatus.choices)
    case = VisibleModelChoiceFilter(model=ResignationCase)
    return_of = VisibleModelChoiceFilter(model=OwnershipTransfer)
    chat = VisibleModelChoiceFilter(
        model=GroupChat, method="with_item", help_text=_("包含这个客户群的。")
    )
    giver = VisibleModelChoiceFilter(model=Staff, method="with_item")
    receiver = VisibleModelChoiceFilter(model=Staff, method="with_item")

    class Meta:
        model = OwnershipTransfer
        fields: list[str] = []

    def with_item(
        self, rows: models.QuerySet[OwnershipTransfer], name: str, value: Any
    ) -> models.QuerySet[OwnershipTransfer]:
        items = TransferItem.objects.filter(**{name: value})
        return rows.filter(pk__in=items.values("transfer"))


class OwnershipTransferViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[OwnershipTransfer]
):
    """资产转让：把客户群、客户、社群交给同事。先预检，经审批，按平台额度分批提交，读到新群主才算完成。"""

    queryset = OwnershipTransfer.objects.none()
    filterset_class = OwnershipTransferFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at", "submitted_at", "closed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "receivers": MANAGE,
        "preflight": MANAGE,
        "submit": MANAGE,
        "approve": APPROVE,
        "reject": APPROVE,
        "cancel": MANAGE,
        "assign_receiver": MANAGE,
        "retry": MANAGE,
        "waive": MANAGE,
        "give_back": MANAGE,
    }

    def get_serializer_class(self) -> type[OwnershipTransferSerializer]:
        is_list = self.action == "list"
        return OwnershipTransferSerializer if is_list else OwnershipTransferDetailSerializer

    def get_queryset(self) -> models.QuerySet[OwnershipTransfer]:
        rows = OwnershipTransfer.objects.visible_to(acting_user(self.request))
        return with_items_counted(rows).fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request=bodies.TransferBodySerializer, responses={201: OwnershipTransferDetailSerializer}
    )
    def create(self, request: Request) -> Response:
        """起草并预检：还不占用任何群，也不通知任何人。"""
        return self.run_create(submitting.draft_transfer, body=bodies.TransferBodySerializer)

    @extend_schema(
        parameters=[bodies.ReceiverQuerySerializer],
        responses=ReceiverLoadSerializer(many=True),
        filters=False,
    )
    @action(detail=False, pagination_class=None)
    def receivers(self, request: Request) -> Response:
        """可能的接手人和各自的负担，最多 50 位；可以接手的、负担最轻的在前。"""
        refuse_unknown(request, {"subject", "search"})
        query = bodies.ReceiverQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        loads = receiver_loads(acting_user(request).enterprise_id, **query.validated_data)
        return Response(ReceiverLoadSerializer(loads, many=True).data)

    @command(answer=PreflightSerializer)
    def preflight(self, request: Request, pk: str) -> Response:
        """重新预检：按现在的规则、负担和额度重新安排还没有提交的明细。"""
        row = self.get_object()
        self.body(EmptySerializer)
        found = submitting.preflight_transfer(row.pk, actor=acting_user(request))
        return Response(preflight_data(found))

    @command()
    def submit(self, request: Request, pk: str) -> Response:
        """提交：再检查一次；需要审批的等审批，其余按额度排队。不能转的留下并说明原因。"""
        return self.run_verb(submitting.submit_transfer)

    @command()
    def approve(self, request: Request, pk: str) -> Response:
        """批准。发起人和方案最后的修改人不能批准。"""
        return self.run_verb(submitting.approve_transfer)

    @command(body=bodies.ReasonSerializer)
    def reject(self, request: Request, pk: str) -> Response:
        """不批准，并写明理由；改了可以再提交。"""
        return self.run_verb(submitting.reject_transfer, body=bodies.ReasonSerializer)

    @command(body=bodies.OptionalReasonSerializer)
    def cancel(self, request: Request, pk: str) -> Response:
        """取消：还没有提交给平台的不再转，已经提交的继续核对到有结果。"""
        return self.run_verb(submitting.cancel_transfer, body=bodies.OptionalReasonSerializer)

    @command(body=bodies.AssignReceiverSerializer, url_path="assign-receiver")
    def assign_receiver(self, request: Request, pk: str) -> Response:
        """指定接手人。审批过的转让里，改过的明细要再由别人批准。"""
        return self.run_on_items(
            transfer_items.assign_receiver, body=bodies.AssignReceiverSerializer
        )

    @command(body=bodies.ItemsBodySerializer)
    def retry(self, request: Request, pk: str) -> Response:
        """再试失败的和不能转的：重新预检，可以的再排队。"""
        return self.run_on_items(transfer_items.retry_items, body=bodies.ItemsBodySerializer)

    @command(body=bodies.WaiveItemsSerializer)
    def waive(self, request: Request, pk: str) -> Response:
        """不再转，并写明理由。"""
        return self.run_on_items(transfer_items.waive_items, body=bodies.WaiveItemsSerializer)

    @command(
        body=bodies.ItemsBodySerializer,
        answer=OwnershipTransferDetailSerializer,
        code=status.HTTP_201_CREATED,
        url_path="return",
        url_name="return",
    )
    def give_back(self, request: Request, pk: str) -> Response:
        """转回：起草一次反方向的转让，限 7 天内在职转让并已核对的群。"""
        return self.run_on_items(
            returning.return_transfer,
            body=bodies.ItemsBodySerializer,
            code=status.HTTP_201_CREATED,
        )

    def run_on_items(
        self, verb: ItemVerb, *, body: Body, code: int = status.HTTP_200_OK
    ) -> Response:
        """One verb on the named items of this row, or on all that it can be done to."""
        row = self.get_object()
        values = self.body(body)
        ids = own_items(row, values.pop("items", None))
        changed = verb(row.pk, item_ids=ids, actor=acting_user(self.request), **values)
        return self.answer(changed, code=code)


def own_items(row: OwnershipTransfer, items: Sequence[TransferItem] | None) -> list[int] | None:
    """The ids of items, all of this hand-over; None for all that it has."""
    if items is None:
        return None
    if any(each.transfer_id != row.pk for each in items):
        message = gettext("有明细不属于这次转让，请重新选择。")
        raise ValidationError({"items": [ErrorDetail(message, "does_not_exist")]})
    return [each.pk for each in items]


class TransferNoticeFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    transfer = VisibleModelChoiceFilter(model=OwnershipTransfer)
    staff = VisibleModelChoiceFilter(model=Staff)
    role = filters.MultipleChoiceFilter(choices=NoticeRole.choices)
    state = filters.MultipleChoiceFilter(choices=NoticeState.choices)

    class Meta:
        model = TransferNotice
        fields: list[str] = []


class TransferNoticeViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[TransferNotice]
):
    """转让通知：群换手后给转出人和接手人的应用消息，每批各一条，只发一次。"""

    queryset = TransferNotice.objects.none()
    serializer_class = TransferNoticeSerializer
    filterset_class = TransferNoticeFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at", "sent_at")
    required_capabilities: ClassVar[dict[str, Required]] = {"list": VIEW, "retrieve": VIEW}

    def get_queryset(self) -> models.QuerySet[TransferNotice]:
        transfers_seen = OwnershipTransfer.objects.visible_to(acting_user(self.request))
        rows = TransferNotice.objects.filter(transfer__in=transfers_seen)
        return rows.select_related("staff").fetch_mode(models.FETCH_RAISE)
