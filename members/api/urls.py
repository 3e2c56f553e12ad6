from django.urls import path
from rest_framework.routers import SimpleRouter

from members.api.activity import ActivityViewSet, MemberDayViewSet
from members.api.churn_score import ChurnScoreViewSet
from members.api.entry_application import EntryApplicationViewSet
from members.api.import_run import ImportRunViewSet
from members.api.member import MemberViewSet
from members.api.membership import MembershipViewSet, StayViewSet
from members.api.metric import MetricListView
from members.api.purchase import PurchaseViewSet

router = SimpleRouter()
router.register("members", MemberViewSet, basename="member")
router.register("entry-applications", EntryApplicationViewSet, basename="entry-application")
router.register("memberships", MembershipViewSet, basename="membership")
router.register("stays", StayViewSet, basename="stay")
router.register("activities", ActivityViewSet, basename="activity")
router.register("member-days", MemberDayViewSet, basename="member-day")
router.register("purchases", PurchaseViewSet, basename="purchase")
router.register("import-runs", ImportRunViewSet, basename="import-run")
router.register("churn-scores", ChurnScoreViewSet, basename="churn-score")

# A redirect would lose the body of a POST, so the batches answer without the last slash as well.
activity_batch = ActivityViewSet.as_view({"post": "batch"}, schema=None)
purchase_batch = PurchaseViewSet.as_view({"post": "batch"}, schema=None)

urlpatterns = [
    path("activities/batch", activity_batch, name="activity-batch-unslashed"),
    path("purchases/batch", purchase_batch, name="purchase-batch-unslashed"),
    path("metrics/", MetricListView.as_view(), name="metrics"),
    *router.urls,
]
