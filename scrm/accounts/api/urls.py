from django.urls import path

from scrm.accounts.api import views
from scrm.accounts.api.operator_task import OperatorTaskViewSet
from scrm.shared.api.routers import RowRouter

router = RowRouter()
router.register("departments", views.DepartmentViewSet, basename="department")
router.register("staff", views.StaffViewSet, basename="staff")
router.register("users", views.UserViewSet, basename="user")
router.register("api-keys", views.ApiKeyViewSet, basename="api-key")
router.register("audit-events", views.AuditEventViewSet, basename="audit-event")
router.register("operator-tasks", OperatorTaskViewSet, basename="operator-task")

urlpatterns = [
    path("me/", views.MeView.as_view(), name="me"),
    path("enterprise/", views.EnterpriseView.as_view(), name="enterprise"),
    *router.urls,
]
