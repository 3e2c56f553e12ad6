from __future__ import annotations

from pathlib import Path

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from members.admin.words import NOTHING
from members.models import ImportRun
from scrm.accounts.admin_gates import may
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

DOWNLOAD_LIMIT = 20 * 1024 * 1024


@admin.register(ImportRun)
class ImportRunAdmin(HistoryModelAdmin[ImportRun]):
    """How each file fared. The refused rows are customers' data: reading the list is not enough."""

    view_capability = Capability.VIEW_MEMBERS
    export_capability = Capability.INGEST_ACTIVITY
    list_display = (
        "file_name",
        "kind",
        "source",
        "state",
        "line_count",
        "accepted_count",
        "updated_count",
        "duplicate_count",
        "rejected_count",
        "rejects",
        "started_at",
    )
    list_filter = (("kind", MultipleChoicesDropdownFilter),)
    list_fullwidth = True
    search_fields = ("file_name", "source")
    fields = (
        ("file_name", "kind", "source"),
        ("state_words", "encoding"),
        ("line_count", "accepted_count", "updated_count"),
        ("duplicate_count", "rejected_count", "rejects"),
        ("started_at", "finished_at"),
        "file_digest",
    )
    readonly_fields = (
        "file_name",
        "kind",
        "source",
        "state_words",
        "encoding",
        "line_count",
        "accepted_count",
        "updated_count",
        "duplicate_count",
        "rejected_count",
        "rejects",
        "started_at",
        "finished_at",
        "file_digest",
    )
    ordering = ("-pk",)

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<path:object_id>/rejects/",
            self.admin_site.admin_view(self.download_rejects),
            name="members_importrun_rejects",
        )
        return [download, *super().get_urls()]

    @display(description=_("状态"), label={"finished": "success", "stopped": "warning"})
    def state(self, run: ImportRun) -> tuple[str, str]:
        if run.finished_at is None:
            return "stopped", gettext("未完成")
        return "finished", gettext("已完成")

    @display(description=_("状态"))
    def state_words(self, run: ImportRun) -> str:
        return str(self.state(run)[1])

    @display(description=_("拒绝明细"))
    def rejects(self, run: ImportRun) -> SafeString | str:
        if not run.rejects_file:
            return NOTHING
        url = reverse("admin:members_importrun_rejects", args=[run.pk])
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, gettext("下载"))

    def download_rejects(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not may(request, self.export_capability):
            raise PermissionDenied
        run = self.row(request, object_id)
        if request.method != "GET":
            return self.back_to(request, run)
        file = Path(run.rejects_file)
        if not run.rejects_file or not file.is_file() or file.stat().st_size > DOWNLOAD_LIMIT:
            text = gettext("这台机器上没有这个文件，或文件太大，请到服务器上取：%(path)s")
            self.message_user(request, text % {"path": file}, messages.ERROR)
            return self.back_to(request, run)
        response = HttpResponse(file.read_bytes(), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = (
            content_disposition_header(True, file.name) or "attachment"
        )
        return response
