from django.urls import path

from campaigns.api.broadcast import BroadcastViewSet
from campaigns.api.churn_alert import ChurnAlertViewSet
from campaigns.api.contact_welcome import ContactWelcomeViewSet
from campaigns.api.dispatch import DispatchViewSet
from campaigns.api.run import DeliveryViewSet, RunViewSet
from campaigns.api.sandbox import SandboxMessageViewSet
from campaigns.api.segment import SegmentMemberViewSet, SegmentViewSet
from campaigns.api.send_policy import FrequencyCapViewSet, SendPolicyViewSet
from campaigns.api.welcome import WelcomeDeliveryViewSet, WelcomePolicyViewSet
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("broadcasts", BroadcastViewSet, basename="broadcast")
router.register("runs", RunViewSet, basename="run")
router.register("dispatches", DispatchViewSet, basename="dispatch")
router.register("welcome-policies", WelcomePolicyViewSet, basename="welcome-policy")
router.register("welcome-deliveries", WelcomeDeliveryViewSet, basename="welcome-delivery")
router.register("contact-welcomes", ContactWelcomeViewSet, basename="contact-welcome")
router.register("sandbox-messages", SandboxMessageViewSet, basename="sandbox-message")
router.register("segments", SegmentViewSet, basename="segment")
router.register("send-policies", SendPolicyViewSet, basename="send-policy")
router.register("frequency-caps", FrequencyCapViewSet, basename="frequency-cap")
router.register("churn-alerts", ChurnAlertViewSet, basename="churn-alert")

urlpatterns = [
    path("runs/<int:pk>/deliveries/", DeliveryViewSet.as_view({"get": "list"}), name="deliveries"),
    path(
        "segments/<int:pk>/members/",
        SegmentMemberViewSet.as_view({"get": "list"}),
        name="segment-members",
    ),
    *router.urls,
]
