"""Fields of the composer that a plain widget would show raw: money, hours and attachments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns.models import MediaAsset
from campaigns.rules.attachments import ASSET_KEYS, MAX_ATTACHMENTS, TEXTS, clean_attachments
from campaigns.rules.contents import MEDIA_KINDS, AttachmentKind
from scrm.shared.errors import DomainError

MAX_LENGTH = 20_000
CENTS = 100


class YuanField(forms.DecimalField):
    """Typed in yuan, kept in 分."""

    widget = UnfoldAdminDecimalFieldWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_digits=15, decimal_places=2, **options)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        yuan = Decimal(value) / CENTS
        return str(yuan.quantize(Decimal("0.01")) if yuan % 1 else int(yuan))

    def clean(self, value: Any) -> Any:
        yuan = super().clean(value)
        return 0 if yuan is None else int(yuan * CENTS)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class HoursField(forms.CharField):
    """Several numbers of hours: ``4, 24``."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        written = super().clean(value)
        parts = [part for part in re.split(r"[\s,，、;；]+", written) if part]
        if any(not part.isdecimal() or len(part) > 4 for part in parts):
            raise forms.ValidationError(_("请填小时数，用逗号分开，例如 4, 24。"), code="invalid")
        return sorted({int(part) for part in parts})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class AttachmentsWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # untyped upstream
    """The textarea that is posted, and what its script needs to become a list with buttons."""

    template_name = "campaigns/widgets/attachments.html"
    assets: Iterable[MediaAsset] = ()

    class Media:
        js = ("campaigns/attachments.js",)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        identity = context["widget"]["attrs"].get("id") or f"id_{name}"
        context["widget"]["settings_id"] = f"{identity}_settings"
        context["widget"]["settings"] = attachment_settings(self.assets)
        return context


class AttachmentsField(forms.Field):
    """Cleans to a list as ``campaigns.rules.attachments`` describes it."""

    widget = AttachmentsWidget

    def offer(self, assets: Iterable[MediaAsset]) -> None:
        self.widget.assets = assets

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False) if value else ""

    def to_python(self, value: Any) -> list[dict[str, Any]]:
        written = str(value or "").strip()
        if not written:
            return []
        try:
            raw = json.loads(written) if len(written) <= MAX_LENGTH else None
        except ValueError:
            raw = None
        if not isinstance(raw, list):
            raise forms.ValidationError(_("附件读不懂，请重新添加。"), code="invalid")
        try:
            return clean_attachments(raw)
        except DomainError as refusal:
            raise forms.ValidationError(refusal.message, code=refusal.code) from refusal

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(data) != (initial or [])
        except forms.ValidationError:
            return True


def attachment_settings(assets: Iterable[MediaAsset]) -> dict[str, Any]:
    return {
        "most": MAX_ATTACHMENTS,
        "kinds": [
            {
                "value": kind.value,
                "label": str(kind.label),
                "file": ASSET_KEYS[kind][0],
                "fileNeeded": ASSET_KEYS[kind][1],
                "assetKind": kind.value if kind in MEDIA_KINDS else AttachmentKind.IMAGE.value,
                "texts": [
                    {"name": name, "label": str(part.label), "needed": part.is_required}
                    for name, part in TEXTS.get(kind, {}).items()
                ],
            }
            for kind in AttachmentKind
        ],
        "assets": [{"id": one.pk, "kind": one.kind, "name": one.name} for one in assets],
        "words": {
            "add": _("添加"),
            "remove": _("去掉"),
            "choose": _("选择素材"),
            "none": _("不用图片"),
            "picture": _("封面"),
            "file": _("文件"),
            "empty": _("没有附件。"),
            "noAssets": _("素材库里还没有这类文件，先到“素材”上传。"),
        },
    }
