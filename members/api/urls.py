from django.urls import path
from rest_framework.routers import SimpleRouter

from members.api.entry_application import EntryApplicationViewSet
from members.api.member import MemberViewSet
from members.api.membership import MembershipViewSet, StayViewSet
from members.api.metric import MetricListView

router = SimpleRouter()
router.register("members", MemberViewSet, basename="member")
router.register("entry-applications", EntryApplicationViewSet, basename="entry-application")
router.register("memberships", MembershipViewSet, basename="membership")
router.register("stays", StayViewSet, basename="stay")

urlpatterns = [
    path("metrics/", MetricListView.as_view(), name="metrics"),
    *router.urls,
]
