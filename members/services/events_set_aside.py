"""Single events that were answered as taken and then could not be: kept with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from members.models import ImportRejection, ImportRun
from members.models.import_run import ImportKind
from members.rules.activity import RawEvent
from members.services.importing.rejects import ROWS_LIMIT
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task


class Refused(NamedTuple):
    raw: RawEvent
    code: str
    message: str


@transaction.atomic
def set_aside(enterprise: Enterprise, source: str, refused: Sequence[Refused]) -> ImportRun:
    """Keep them as refused rows of an import, one for each source and local day, and ask somebody
    to look at it: between the answer and the writing a member or community has gone."""
    run = _run_of_today(enterprise, source)
    first, room = run.rejected_count, max(0, ROWS_LIMIT - run.rejected_count)
    ImportRejection.objects.bulk_create(
        [
            ImportRejection(
                run=run,
                position=first + number,
                line=first + number + 1,
                code=one.code[:60],
                detail=one.message[:500],
                raw=json.dumps(one.raw, ensure_ascii=False)[:600],
            )
            for number, one in enumerate(refused[:room])
        ]
    )
    run.rejected_count = first + len(refused)
    ImportRun.objects.filter(pk=run.pk).update(
        rejected_count=run.rejected_count, line_count=F("line_count") + len(refused)
    )
    open_task(
        TaskKind.ACTIVITY_REFUSED,
        subject=run,
        title=_("“%(source)s”有 %(count)d 条活跃没有收下，请看原因")
        % {"source": source, "count": run.rejected_count},
        details={"count": run.rejected_count, "code": refused[0].code, "words": refused[0].message},
    )
    return run


def _run_of_today(enterprise: Enterprise, source: str) -> ImportRun:
    """Locked, so that places in it are given out once."""
    day = timezone.localdate(timezone=enterprise.zone)
    run, _is_new = ImportRun.objects.get_or_create(
        enterprise=enterprise,
        kind=ImportKind.ACTIVITY,
        source=source,
        file_digest=hashlib.sha256(f"single events of {day}".encode()).hexdigest(),
        defaults={
            "file_name": _("单条上报 %(day)s") % {"day": day},
            "finished_at": Now(),
        },
    )
    return ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
