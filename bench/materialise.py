"""Freezing an audience: a row for everybody. Items are deliveries.

limit             COPY of the same columns into a table without any index
ours              from the due run to the last recipient of it, in resumable steps, with dispatches
peer:bulk_create  the same rows through Django's bulk_create, in batches of 5,000
"""

from __future__ import annotations

from tempfile import TemporaryFile

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bench.fanout import COPY_BLOCK, community_of, due_broadcast, forget_broadcasts
from bench.harness import Case
from campaigns.models import Delivery, Dispatch, Run
from campaigns.rules.status import RunStatus
from campaigns.selectors.progress import counted_deliveries
from campaigns.services.freezing import DISPATCH_SIZE, Freezing, freeze_step

SIZE = 1_000_000
PEER_SIZE = 100_000  # its cost per item does not change with their number
PEER_BATCH = 5000
COLUMNS = "run_id, recipient_id, status, reason, settled_at"


class CopyPlanned:
    """What PostgreSQL can take of these rows at most, before anybody has a result."""

    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_delivery")
            cursor.execute("CREATE TABLE bench_delivery (LIKE campaigns_delivery)")
        self.rows = TemporaryFile()  # noqa: SIM115 - closed by clean(); memory is measured too
        for n in range(size):
            self.rows.write(f"1\t{n}\tplanned\t\t\\N\n".encode())
        self.rows.seek(0)

    def run(self, size: int) -> int:
        statement = f"COPY bench_delivery ({COLUMNS}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            while block := self.rows.read(COPY_BLOCK):
                copy.write(block)
        return size

    def verify(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_delivery")
            assert cursor.fetchone()[0] == size

    def clean(self) -> None:
        self.rows.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_delivery")


class Freeze:
    """The steps as a drain takes them."""

    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        forget_broadcasts()
        self.run_row = run_of(size)

    def run(self, size: int) -> int:
        freezing = Freezing.of(self.run_row.pk)
        while freeze_step(freezing):
            pass
        return size

    def verify(self, size: int) -> None:
        self.run_row.refresh_from_db()
        assert self.run_row.status == RunStatus.SENDING
        assert counted_deliveries(self.run_row.pk)["planned"] == size
        assert self.run_row.recipient_count == size

    def clean(self) -> None:
        forget_broadcasts()


class BulkCreate:
    """The usual way: rows made in Python."""

    name = "peer:bulk_create"
    most: int | None = PEER_SIZE

    def prepare(self, size: int) -> None:
        forget_broadcasts()
        self.run_row = run_of(size)

    def run(self, size: int) -> int:
        members = self.run_row.broadcast.communities.get().memberships.active()
        ids = list(members.order_by("member_id").values_list("member_id", flat=True))
        with transaction.atomic():
            Delivery.objects.bulk_create(
                (Delivery(run=self.run_row, recipient_id=pk, status="planned") for pk in ids),
                batch_size=PEER_BATCH,
            )
            Dispatch.objects.bulk_create(
                Dispatch(
                    run=self.run_row,
                    sequence=n,
                    recipient_ids=ids[start : start + DISPATCH_SIZE],
                    status="pending",
                    due_at=timezone.now(),
                )
                for n, start in enumerate(range(0, len(ids), DISPATCH_SIZE))
            )
        return size

    def verify(self, size: int) -> None:
        assert counted_deliveries(self.run_row.pk)["planned"] == size

    def clean(self) -> None:
        forget_broadcasts()


def run_of(size: int) -> Run:
    community_of(size)
    settings.CHANNELS["noop"] = "bench._fanout_channel.NoOpChannel"
    return Run.objects.create(broadcast=due_broadcast(size), planned_for=timezone.now())


def cases() -> list[Case]:
    return [CopyPlanned(), Freeze(), BulkCreate()]
