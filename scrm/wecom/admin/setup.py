"""The way to a connected company: the callback, a test, the first sync. Whoever leaves goes on
where they were, because every step is read from the connection itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.accounts.admin_scope import admin_user
from scrm.shared.errors import DomainError
from scrm.wecom.admin.connection_facts import facts_of
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import Platform, SyncScope
from scrm.wecom.selectors import last_sync
from scrm.wecom.services.connection_checks import Check
from scrm.wecom.services.connections import callback_url
from scrm.wecom.services.syncing import start_sync

if TYPE_CHECKING:
    from scrm.accounts.admin_scope import EnterpriseModelAdmin

    Base = EnterpriseModelAdmin[WecomConnection]
else:
    Base = object

CHECKS = "wecom-checks"  # in the session: of the last test this operator made
CALLBACK, TEST = 2, 3


def keep_checks(request: HttpRequest, connection: WecomConnection, checks: list[Check]) -> None:
    request.session[CHECKS] = {
        "connection": connection.pk,
        "checks": [{**asdict(each), "status": each.status.value} for each in checks],
    }


def kept_checks(request: HttpRequest, connection: WecomConnection) -> list[dict[str, Any]]:
    kept = request.session.get(CHECKS) or {}
    if kept.get("connection") != connection.pk:
        return []
    checks: list[dict[str, Any]] = kept["checks"]
    return checks


def is_callback_in_place(connection: WecomConnection) -> bool:
    """Whether the platform has verified our address with the present secrets."""
    return connection.callback_verified_at is not None and not connection.former_callback_token


class SetupPages(Base):
    """Steps 2 and 3; the first one is the page that adds a connection."""

    def setup_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        connection = self.row(request, object_id)
        if request.method == "POST":
            return self.do_step(request, connection)
        step = self.step_of(request, connection)
        run = last_sync(connection)
        context = {
            **self.admin_site.each_context(request),
            **self.links_of(connection),
            "title": _("连接企业微信"),
            "opts": self.opts,
            "connection": connection,
            "step": step,
            "url": callback_url(connection),
            "is_in_place": is_callback_in_place(connection),
            "checks": kept_checks(request, connection),
            "run": run,
            "facts": facts_of(connection, now=timezone.now()) if step == TEST else None,
        }
        return TemplateResponse(request, "admin/wecom/wecomconnection/setup.html", context)

    def step_of(self, request: HttpRequest, connection: WecomConnection) -> int:
        asked = request.GET.get("step", "")
        if asked in {str(CALLBACK), str(TEST)}:
            return int(asked)
        return TEST if is_callback_in_place(connection) else CALLBACK

    def do_step(self, request: HttpRequest, connection: WecomConnection) -> HttpResponse:
        match request.POST.get("do"):
            case "test":
                self.run_checks(request, connection)
            case "sync":
                try:
                    start_sync(connection.pk, scope=SyncScope.FULL, actor=admin_user(request))
                except DomainError as refusal:
                    self.message_user(request, refusal.message, messages.ERROR)
                else:
                    self.message_user(request, _("第一次同步已开始。"), messages.SUCCESS)
                    return self.back_to(request, connection)
        return self.to_setup(connection, step=TEST)

    def run_checks(self, request: HttpRequest, connection: WecomConnection) -> None:
        raise NotImplementedError

    def verified_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asked again and again by the page that waits for the platform."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        connection = self.row(request, object_id)
        return JsonResponse({"verified": is_callback_in_place(connection)})

    def to_setup(self, connection: WecomConnection, *, step: int | None = None) -> HttpResponse:
        address = reverse("admin:wecom_wecomconnection_setup", args=[connection.pk])
        return HttpResponseRedirect(f"{address}?step={step}" if step else address)

    def sent_to(self, request: HttpRequest, address: str) -> HttpResponse:
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": address})
        return HttpResponseRedirect(address)

    def links_of(self, connection: WecomConnection) -> dict[str, str]:
        is_simulated = connection.platform == Platform.SIMULATOR and settings.WECOM_SIMULATOR_URL
        names = "admin:wecom_wecomconnection_"
        return {
            "setup_url": reverse(f"{names}setup", args=[connection.pk]),
            "change_url": reverse(f"{names}change", args=[connection.pk]),
            "verified_url": reverse(f"{names}verified", args=[connection.pk]),
            "control_url": f"{settings.WECOM_SIMULATOR_URL}/_sim/" if is_simulated else "",
        }
