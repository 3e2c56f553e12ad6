from django.urls import include, path

from members.pages import join
from members.pages.evidence_photo import show

of_community = [
    path("<slug:slug>", join.page, name="page"),
    path("<slug:slug>/code", join.code, name="code"),
    path("<slug:slug>/confirm", join.confirm, name="confirm"),
    path("<slug:slug>/apply", join.apply, name="apply"),
    path("<slug:slug>/photo", join.photo, name="photo"),
    path("<slug:slug>/withdraw", join.withdraw, name="withdraw"),
    path("<slug:slug>/leave", join.leave, name="leave"),
]
urlpatterns = [
    path("join/", include((of_community, "join"))),
    path("evidence/<str:token>", show, name="evidence-photo"),
]
