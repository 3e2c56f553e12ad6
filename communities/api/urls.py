from django.urls import path

from communities.api import views
from communities.api.classification_rule import ClassificationRuleViewSet
from communities.api.join_way import JoinWayViewSet, QrCodeViewSet
from communities.api.ownership import OwnershipPeriodViewSet, OwnershipViolationViewSet
from communities.api.resignation_case import ResignationCaseViewSet
from communities.api.transfer import OwnershipTransferViewSet, TransferNoticeViewSet
from communities.api.transfer_item import TransferItemViewSet
from communities.api.transfer_policy import TransferPolicyViewSet
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("communities", views.CommunityViewSet, basename="community")
router.register("entry-policies", views.EntryPolicyViewSet, basename="entry-policy")
router.register("group-chats", views.GroupChatViewSet, basename="group-chat")
router.register("join-ways", JoinWayViewSet, basename="join-way")
router.register("classification-axes", views.AxisViewSet, basename="classification-axis")
router.register("classification-values", views.ValueViewSet, basename="classification-value")
router.register("classification-rules", ClassificationRuleViewSet, basename="classification-rule")
router.register("tier-schemes", views.TierSchemeViewSet, basename="tier-scheme")
router.register("tiers", views.TierViewSet, basename="tier")
router.register("transfer-policies", TransferPolicyViewSet, basename="transfer-policy")
router.register("ownership-transfers", OwnershipTransferViewSet, basename="ownership-transfer")
router.register("transfer-items", TransferItemViewSet, basename="transfer-item")
router.register("transfer-notices", TransferNoticeViewSet, basename="transfer-notice")
router.register("ownership-periods", OwnershipPeriodViewSet, basename="ownership-period")
router.register("ownership-violations", OwnershipViolationViewSet, basename="ownership-violation")
router.register("resignation-cases", ResignationCaseViewSet, basename="resignation-case")

urlpatterns = [
    *router.urls,
    *(
        path(
            f"join-ways/<int:pk>/qr.{kind}",
            QrCodeViewSet.as_view({"get": kind}),
            name=f"join-way-qr-{kind}",
        )
        for kind in ("svg", "png")
    ),
]
