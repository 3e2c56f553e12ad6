from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from campaigns.file_answers import file_answer
from campaigns.models import MediaAsset
from campaigns.rules.contents import MEDIA_KINDS, AttachmentKind
from campaigns.rules.media import MAX_NAME
from campaigns.services.media import rename_media, upload_media
from scrm.accounts.admin_gates import may
from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

AS_FOUND = [("", _("按内容判断"))]


class UploadForm(EnterpriseForm):
    upload = forms.FileField(
        label=_("文件"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_(
            "JPG、PNG（10 MB）、MP4（10 MB），或 PDF、Word、Excel、PowerPoint、TXT、CSV（20 MB）。"
        ),
    )
    kind = forms.ChoiceField(
        label=_("作为"),
        required=False,
        choices=[*AS_FOUND, *(c for c in AttachmentKind.choices if c[0] in MEDIA_KINDS)],
        widget=UnfoldAdminSelectWidget,
        help_text=_("图片和视频也可以作为文件发送。"),
    )

    class Meta:
        model = MediaAsset
        fields = ()


class RenameForm(EnterpriseForm):
    name = forms.CharField(label=_("文件名"), max_length=MAX_NAME)

    class Meta:
        model = MediaAsset
        fields = ("name",)


def keep_upload(*, actor: User, upload: Any, kind: str = "") -> MediaAsset:
    return upload_media(actor=actor, upload=upload, name=upload.name or "", kind=kind)


@admin.register(MediaAsset)
class MediaAssetAdmin(EnterpriseModelAdmin[MediaAsset]):
    """The files that messages can carry."""

    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    create_verb = keep_upload
    update_verb = rename_media
    list_display = ("name", "kind", "amount", "uploaded_by", "uploaded_at")
    list_filter = ("kind",)
    list_select_related = ("uploaded_by",)
    search_fields = ("name",)
    ordering = ("-pk",)
    readonly_fields = ("picture", "kind", "amount", "uploaded_by", "uploaded_at")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = RenameForm if obj else UploadForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("upload", "kind")
        return ("name", "picture", ("kind", "amount"), ("uploaded_by", "uploaded_at"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_urls(self) -> list[URLPattern]:
        shown = path(
            "<path:object_id>/file/",
            self.admin_site.admin_view(self.show_file),
            name="campaigns_mediaasset_file",
        )
        return [shown, *super().get_urls()]

    @display(description=_("大小"), ordering="size")
    def amount(self, asset: MediaAsset) -> str:
        return filesizeformat(asset.size)

    @display(description=_("预览"))
    def picture(self, asset: MediaAsset) -> SafeString:
        url = reverse("admin:campaigns_mediaasset_file", args=[asset.pk])
        if asset.kind == AttachmentKind.IMAGE:
            return format_html(
                '<a href="{0}" target="_blank" rel="noopener"><img src="{0}" alt="{1}" '
                'loading="lazy" width="360" class="rounded-default"></a>',
                url,
                asset.name,
            )
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, gettext("下载"))

    def show_file(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        if not may(request, self.view_capability):
            raise PermissionDenied
        asset = self.row(request, object_id)
        return file_answer(asset) if request.method == "GET" else self.back_to(request, asset)
