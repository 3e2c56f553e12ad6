from django.urls import path

from campaigns.api.broadcast import BroadcastViewSet
from campaigns.api.calendar import HolidayOverrideViewSet
from campaigns.api.churn_alert import ChurnAlertViewSet
from campaigns.api.churn_quality import ChurnQualityView
from campaigns.api.contact_welcome import ContactWelcomeViewSet
from campaigns.api.content import ContentViewSet
from campaigns.api.dispatch import DispatchViewSet
from campaigns.api.experiment import ExperimentViewSet
from campaigns.api.forecast import BroadcastForecastView, ForecastAccuracyView, RunForecastView
from campaigns.api.lexicon_term import LexiconTermViewSet
from campaigns.api.media_asset import MediaAssetViewSet
from campaigns.api.run import DeliveryViewSet, RunViewSet
from campaigns.api.run_report import (
    QuitWatchView,
    RecipientExportView,
    RunReportView,
    RunReportViewSet,
)
from campaigns.api.sandbox import SandboxMessageViewSet
from campaigns.api.schedule import BroadcastScheduleViewSet
from campaigns.api.segment import SegmentChatViewSet, SegmentMemberViewSet, SegmentViewSet
from campaigns.api.send_policy import FrequencyCapViewSet, SendPolicyViewSet
from campaigns.api.sop import SopEnrolmentViewSet, SopPlanViewSet, SopTaskViewSet
from campaigns.api.welcome import WelcomeDeliveryViewSet, WelcomePolicyViewSet
from campaigns.api.winback import WinbackActionViewSet, WinbackPolicyViewSet
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("broadcasts", BroadcastViewSet, basename="broadcast")
router.register("broadcast-schedules", BroadcastScheduleViewSet, basename="broadcast-schedule")
router.register("holiday-overrides", HolidayOverrideViewSet, basename="holiday-override")
router.register("runs", RunViewSet, basename="run")
router.register("run-reports", RunReportViewSet, basename="run-report")
router.register("dispatches", DispatchViewSet, basename="dispatch")
router.register("welcome-policies", WelcomePolicyViewSet, basename="welcome-policy")
router.register("welcome-deliveries", WelcomeDeliveryViewSet, basename="welcome-delivery")
router.register("contact-welcomes", ContactWelcomeViewSet, basename="contact-welcome")
router.register("sandbox-messages", SandboxMessageViewSet, basename="sandbox-message")
router.register("segments", SegmentViewSet, basename="segment")
router.register("send-policies", SendPolicyViewSet, basename="send-policy")
router.register("experiments", ExperimentViewSet, basename="experiment")
router.register("frequency-caps", FrequencyCapViewSet, basename="frequency-cap")
router.register("lexicon-terms", LexiconTermViewSet, basename="lexicon-term")
router.register("contents", ContentViewSet, basename="content")
router.register("media-assets", MediaAssetViewSet, basename="media-asset")
router.register("sop-plans", SopPlanViewSet, basename="sop-plan")
router.register("sop-enrolments", SopEnrolmentViewSet, basename="sop-enrolment")
router.register("sop-tasks", SopTaskViewSet, basename="sop-task")
router.register("churn-alerts", ChurnAlertViewSet, basename="churn-alert")
router.register("winback-actions", WinbackActionViewSet, basename="winback-action")
router.register("winback-policies", WinbackPolicyViewSet, basename="winback-policy")

urlpatterns = [
    path("runs/<int:pk>/deliveries/", DeliveryViewSet.as_view({"get": "list"}), name="deliveries"),
    path("runs/<int:pk>/report/", RunReportView.as_view(), name="run-report"),
    path(
        "broadcasts/<int:pk>/forecast/", BroadcastForecastView.as_view(), name="broadcast-forecast"
    ),
    path("runs/<int:pk>/forecast/", RunForecastView.as_view(), name="run-forecast"),
    path("forecast-accuracy/", ForecastAccuracyView.as_view(), name="forecast-accuracy"),
    path("churn-quality/", ChurnQualityView.as_view(), name="churn-quality"),
    path("runs/<int:pk>/watches/", QuitWatchView.as_view(), name="run-watches"),
    path("runs/<int:pk>/recipients/", RecipientExportView.as_view(), name="run-recipients"),
    path(
        "segments/<int:pk>/members/",
        SegmentMemberViewSet.as_view({"get": "list"}),
        name="segment-members",
    ),
    path(
        "segments/<int:pk>/chats/",
        SegmentChatViewSet.as_view({"get": "list"}),
        name="segment-chats",
    ),
    *router.urls,
]
