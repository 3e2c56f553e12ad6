from django.urls import path

from communities.api import views
from communities.api.classification_rule import ClassificationRuleViewSet
from communities.api.join_way import JoinWayViewSet, QrCodeViewSet
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
