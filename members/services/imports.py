"""Files handed in over the API or the admin: kept, then taken in by workers, step by step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC
from io import BytesIO

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from members.errors import BadSource, FileTooLarge, ImportRunning, NotHandedIn
from members.models import ImportPayload, ImportRun
from members.models.import_run import ImportKind
from members.rules.rows import is_source
from members.services.coverage import Covered
from members.services.importing.attempt import LEASE, Attempt, keep
from members.services.importing.files import (
    ACTIVITY,
    PURCHASES,
    REFUSED,
    Newcomers,
    activity_writer,
    purchase_writer,
)
from members.services.importing.layouts import Layout, WriteBatch
from members.services.importing.memberships import MEMBERSHIPS, membership_writer
from members.services.importing.rejects import RejectionRows
from members.services.importing.run import alone, finish, open_table, seen_in, start_over
from members.signals import import_handed_in
from scrm.accounts.models import Enterprise, User
from scrm.accounts.services.audit import record_audit
from scrm.shared.errors import DomainError

MAX_BYTES = 20 * 1024 * 1024
ATTEMPTS_LIMIT = 5
#: What only those may hand in who may let people in.
OF_MEMBERS = frozenset({ImportKind.MEMBERSHIPS.value})
LAYOUTS: dict[str, Layout] = {
    ImportKind.ACTIVITY: ACTIVITY,
    ImportKind.PURCHASES: PURCHASES,
    ImportKind.MEMBERSHIPS: MEMBERSHIPS,
}


@transaction.atomic
def hand_in(
    enterprise: Enterprise,
    *,
    kind: str,
    source: str,
    content: bytes,
    file_name: str,
    actor: User | None,
    covers: Sequence[Covered] | None = None,
    newcomers: Newcomers = REFUSED,
    again: bool = False,
) -> ImportRun:
    """Keep a file of one of the ``LAYOUTS``, to be taken in by a worker within seconds.

    CSV, Excel and JSON lines (a name that ends with ``.jsonl``) are told apart by themselves. The
    same content from the same source is the same run: handed in again it goes on, or, when it is
    finished, is left alone unless it had failed or ``again`` is set. What ``actor`` cannot see does
    not exist for the rows. ``covers`` says from when to when the source has listened; without it
    (None) that is from the first to the last event of each community in the file.

    Raises ``BadSource``, ``FileTooLarge``, ``NotHandedIn`` and ``UnreadableFile``.
    """
    if not is_source(source):
        raise BadSource(_("数据来源只能由字母、数字、点、连字符和下划线组成，最多 40 个字符。"))
    if kind not in LAYOUTS:
        raise NotHandedIn(_("只能上传活跃、订单和在群历史文件。"))
    if len(content) > MAX_BYTES:
        words = {"size": len(content) / 1024**2, "limit": MAX_BYTES // 1024**2}
        raise FileTooLarge(
            _("文件有 %(size).1f MB，上限 %(limit)d MB。请拆成几个文件，或在服务器上用命令导入。")
            % words
        )
    seen = seen_in(BytesIO(content), file_name)
    run, _is_new = ImportRun.objects.get_or_create(
        enterprise=enterprise,
        kind=kind,
        source=source,
        file_digest=seen.digest,
        defaults={
            "file_name": file_name[-255:],
            "encoding": seen.encoding,
            "format": seen.format,
        },
    )
    run = ImportRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    if run.finished_at and not (run.failure or again):
        return run
    if run.finished_at:
        start_over(run, seen.encoding)
    if not run.byte_position:
        run.requested_by = actor
        run.options = _options(newcomers, states_span=covers is None)
        run.spans = _spans(covers or [])
        run.save(update_fields=["requested_by", "options", "spans"])
    ImportPayload.objects.update_or_create(run=run, defaults={"content": content})
    record_audit(actor, verb="hand_in_import", subject=run, after=_picture(run))
    import_handed_in.send(sender=ImportRun, run_id=run.pk)
    return run


def _options(newcomers: Newcomers, *, states_span: bool) -> dict[str, bool | str]:
    return {
        "create_members": newcomers.are_created,
        "consent_text": newcomers.consent_text,
        "states_span": states_span,
    }


def _spans(covers: Sequence[Covered]) -> dict[str, tuple[str, str]]:
    return {
        one.community.code: (
            one.since.astimezone(UTC).isoformat(),
            one.until.astimezone(UTC).isoformat(),
        )
        for one in covers
    }


def _picture(run: ImportRun) -> dict[str, object]:
    return {
        "kind": run.kind,
        "source": run.source,
        "file_name": run.file_name,
        "format": run.format,
        **run.options,
    }


def imports_to_take() -> list[int]:
    """Handed in, not finished, and no worker is at it."""
    return list(ImportRun.objects.claimable().order_by("pk").values_list("pk", flat=True))


def take_in(run_id: int, *, budget: float) -> bool:
    """Go on with an import for about ``budget`` seconds. Whether nothing is left for us to do.

    What cannot be read at all ends it, with a reason in words. A worker that dies leaves it to the
    next one, at most ``ATTEMPTS_LIMIT`` times.
    """
    run = _claimed(run_id)
    if run is None:
        return True
    until = time.monotonic() + budget
    try:
        with alone(run):
            return _taken_in(run, until=until)
    except ImportRunning:
        return True  # another worker has taken it over, or somebody imports the file by command


def _taken_in(run: ImportRun, *, until: float) -> bool:
    if run.attempt_count > ATTEMPTS_LIMIT:
        _give_up(run, _("多次中断，已停止。请拆成较小的文件后重新上传。"))
        return True
    try:
        if not _proceed(run, until=until):
            keep(run, lease_until=None, attempt_count=0)
            return False
        finish(run)
        _forget_payload(run)
    except ImportRunning:
        raise
    except DomainError as refusal:
        _give_up(run, refusal.message)
    return True


def _claimed(run_id: int) -> ImportRun | None:
    runs = ImportRun.objects.filter(pk=run_id)
    changes = {"lease_until": Now() + LEASE, "attempt_count": F("attempt_count") + 1}
    if not runs.claimable().update(**changes):
        return None
    return runs.select_related("enterprise", "requested_by").get()


def _proceed(run: ImportRun, *, until: float) -> bool:
    layout = LAYOUTS[run.kind]
    file = BytesIO(run.payload.content)
    table = open_table(file, run, layout=layout, size=len(run.payload.content))
    keep(run, total_size=table.size)
    attempt = Attempt(
        run, table=table, layout=layout, write=_writer(run), rejects=RejectionRows(run)
    )
    return attempt.proceed(lambda _run: None, go_on=lambda: time.monotonic() < until)


def _writer(run: ImportRun) -> WriteBatch:
    newcomers = Newcomers(
        bool(run.options.get("create_members")), str(run.options.get("consent_text", ""))
    )
    visible_to = run.requested_by
    if run.kind == ImportKind.MEMBERSHIPS:
        return membership_writer(run.enterprise, newcomers=newcomers, visible_to=visible_to)
    if run.kind == ImportKind.PURCHASES:
        return purchase_writer(
            run.enterprise, source=run.source, newcomers=newcomers, visible_to=visible_to
        )
    return activity_writer(
        run.enterprise,
        source=run.source,
        newcomers=newcomers,
        visible_to=visible_to,
        states_span=bool(run.options.get("states_span")),
    )


@transaction.atomic
def _give_up(run: ImportRun, reason: str) -> None:
    keep(run, failure=reason[:300], finished_at=Now(), lease_until=None)
    _forget_payload(run)


def _forget_payload(run: ImportRun) -> None:
    ImportPayload.objects.filter(run=run).delete()
