"""How far an import is, in one word and as a share."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ImportState(TextChoices):
    WAITING = "waiting", _("等待")
    RUNNING = "running", _("进行中")
    FINISHED = "finished", _("已完成")
    FAILED = "failed", _("已中止")


def state_of(*, is_finished: bool, has_failed: bool, has_begun: bool) -> ImportState:
    if is_finished:
        return ImportState.FAILED if has_failed else ImportState.FINISHED
    return ImportState.RUNNING if has_begun else ImportState.WAITING


def progress_of(position: int, total: int, *, is_finished: bool) -> float | None:
    """The share of the file that was read; None where its size is not known."""
    if is_finished:
        return 1.0
    if not total:
        return None
    return round(min(position / total, 1.0), 4)
