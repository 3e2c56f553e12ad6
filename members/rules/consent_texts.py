"""The texts that people agree to. A text that changes gets a new version."""

from __future__ import annotations

from django.utils.translation import gettext as _

EVIDENCE_TEXT = "evidence-2026-11"


def evidence_text() -> str:
    return _(
        "我同意保存这张照片用于审核入群申请：只有本企业的审核人员能看到，"
        "照片里的位置等附加信息会被去掉，不用于其他用途。"
    )
