from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from members.admin.import_progress import ImportProgress
from members.admin.words import NOTHING
from members.models import ImportRejection, ImportRun
from members.models.import_run import ImportKind
from members.rules.imports import ImportState, progress_of, state_of
from members.services.importing.files import Newcomers
from members.services.importing.rejects import Refused, csv_head, csv_lines
from members.services.imports import LAYOUTS, MAX_BYTES, OF_MEMBERS, hand_in
from scrm.accounts.admin_gates import admin_user, may
from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

DOWNLOAD_LIMIT = 20 * 1024 * 1024
KINDS = [(value, label) for value, label in ImportKind.choices if value in LAYOUTS]


def columns_in_words() -> str:
    return "；".join(
        gettext("%(kind)s：%(required)s（可选 %(optional)s）")
        % {
            "kind": ImportKind(kind).label,
            "required": "、".join(layout.required),
            "optional": "、".join(layout.optional),
        }
        for kind, layout in LAYOUTS.items()
    )


class UploadForm(EnterpriseForm):
    """What is handed in, and what happens to customers that nobody has heard of."""

    upload = forms.FileField(
        label=_("文件"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_("CSV（UTF-8 或 GBK）、Excel（.xlsx）或 JSON 行（.jsonl），最大 20 MB。"),
    )
    kind = forms.ChoiceField(label=_("内容"), choices=KINDS, widget=UnfoldAdminSelectWidget)
    source = forms.CharField(
        label=_("数据来源"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("来自哪个系统，例如 youzan；同一来源的同一条只计一次。"),
    )
    create_members = forms.BooleanField(
        label=_("新建不认识的客户"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("文件里没见过的客户编号建为新成员；否则那些行会被拒绝。"),
    )
    consent_text = forms.CharField(
        label=_("画像授权文本版本"),
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("新成员都同意过画像时，填他们看到的告知文本版本；不填就不记授权，也不会评分。"),
    )
    again = forms.BooleanField(
        label=_("重新读入"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("这个文件已经导入过，也从头再读一遍：已有的不会重复计数。"),
    )

    class Meta:
        model = ImportRun
        fields = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["kind"].help_text = columns_in_words()

    def clean_upload(self) -> Any:
        upload = self.cleaned_data["upload"]
        if upload.size > MAX_BYTES:
            text = gettext("文件太大，最多 20 MB。请拆成几个文件，或在服务器上用命令导入。")
            raise forms.ValidationError(text)
        return upload

    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or self.cleaned_data
        if values.get("consent_text") and not values.get("create_members"):
            self.add_error(
                "consent_text", gettext("只用于新建的成员，请同时打开“新建不认识的客户”。")
            )
        return values


def keep_upload(
    *,
    actor: User,
    upload: Any,
    kind: str,
    source: str,
    create_members: bool = False,
    consent_text: str = "",
    again: bool = False,
) -> ImportRun:
    return hand_in(
        actor.enterprise,
        kind=kind,
        source=source,
        content=upload.read(),
        file_name=upload.name or "upload.csv",
        actor=actor,
        newcomers=Newcomers(create_members, consent_text),
        again=again,
    )


@admin.register(ImportRun)
class ImportRunAdmin(ImportProgress, EnterpriseModelAdmin[ImportRun]):
    """How each file fared. The refused rows are customers' data: reading the list is not enough."""

    view_capability = Capability.VIEW_MEMBERS
    add_capability = Capability.INGEST_ACTIVITY
    export_capability = Capability.INGEST_ACTIVITY
    create_verb = keep_upload
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
    readonly_fields = (
        "file_name",
        "kind",
        "source",
        "format",
        "state_words",
        "failure",
        "encoding",
        "line_count",
        "accepted_count",
        "updated_count",
        "duplicate_count",
        "rejected_count",
        "rejects",
        "requested_by",
        "started_at",
        "finished_at",
        "file_digest",
    )
    ordering = ("-pk",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["shared/facts.css"]}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = UploadForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("upload", ("kind", "source"), ("create_members", "consent_text"), "again")
        return (
            ("file_name", "kind", "source"),
            ("state_words", "format", "encoding"),
            "failure",
            ("line_count", "accepted_count", "updated_count"),
            ("duplicate_count", "rejected_count", "rejects"),
            ("requested_by", "started_at", "finished_at"),
            "file_digest",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<path:object_id>/rejects/",
            self.admin_site.admin_view(self.download_rejects),
            name="members_importrun_rejects",
        )
        return [download, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: ImportRun, form: Any, change: bool) -> None:
        values = form.cleaned_data
        is_of_members = values["create_members"] or values["kind"] in OF_MEMBERS
        if is_of_members and not may(request, Capability.MANAGE_MEMBERS):
            raise PermissionDenied
        super().save_model(request, obj, form, change)
        if obj.finished_at:
            text = gettext("这个文件已经导入过，没有再读。要重新读入，请打开“重新读入”再上传。")
            self.message_user(request, text, messages.WARNING)

    @display(
        description=_("状态"),
        label={
            ImportState.FINISHED: "success",
            ImportState.RUNNING: "info",
            ImportState.WAITING: "info",
            ImportState.FAILED: "danger",
        },
    )
    def state(self, run: ImportRun) -> tuple[str, str]:
        is_finished = run.finished_at is not None
        state = state_of(
            is_finished=is_finished,
            has_failed=bool(run.failure),
            has_begun=bool(run.byte_position),
        )
        share = progress_of(run.byte_position, run.total_size, is_finished=is_finished)
        words = str(state.label)
        if state == ImportState.RUNNING and share is not None:
            words = f"{words} {share:.0%}"
        return state.value, words

    @display(description=_("状态"))
    def state_words(self, run: ImportRun) -> str:
        return str(self.state(run)[1])

    @display(description=_("拒绝明细"))
    def rejects(self, run: ImportRun) -> SafeString | str:
        if not run.rejected_count:
            return NOTHING
        url = reverse("admin:members_importrun_rejects", args=[run.pk])
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, gettext("下载"))

    def download_rejects(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The refused rows as a table: from the database, or from the file beside a command."""
        if not may(request, self.export_capability):
            raise PermissionDenied
        run = self.row(request, object_id)
        if request.method != "GET":
            return self.back_to(request, run)
        if run.rejects_file:
            return self._file_of_rejects(request, run)
        rows = ImportRejection.objects.visible_to(admin_user(request)).filter(run=run)
        response = StreamingHttpResponse(csv_of(rows), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = attachment(f"{Path(run.file_name).stem}-rejects.csv")
        return response

    def _file_of_rejects(self, request: HttpRequest, run: ImportRun) -> HttpResponse:
        file = Path(run.rejects_file)
        if not file.is_file() or file.stat().st_size > DOWNLOAD_LIMIT:
            text = gettext("这台机器上没有这个文件，或文件太大，请到服务器上取：%(path)s")
            self.message_user(request, text % {"path": file}, messages.ERROR)
            return self.back_to(request, run)
        response = HttpResponse(file.read_bytes(), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = attachment(file.name)
        return response


def csv_of(rows: Any) -> Any:
    yield csv_head()
    for row in rows.order_by("position").iterator(chunk_size=1000):
        yield csv_lines([Refused(row.position, row.line, row.code, row.detail, row.raw)])


def attachment(name: str) -> str:
    return content_disposition_header(True, name) or "attachment"
