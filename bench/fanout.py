"""One broadcast to many, when its audience is frozen: claim, render, hand over, record. Items are
deliveries; everything is done by two workers.

limit                      raw leases of chunks, each with one statement that completes it
ours                       from the first claim to the last result, through a channel that does
                           nothing
peer:celery_per_recipient  one Celery task per recipient, the same rows and the same channel
peer:graphile_worker       one job per recipient (npm), claimed five hundred at a time and completed
                           in batches; left out where there is no npm
limit:whole                COPY of the same delivery rows into a table without any index
ours:whole                 from the due row to the last result, with the freezing
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bench.harness import ROOT, Case, celery_workers
from campaigns.models import Broadcast, Run
from campaigns.rules.status import BroadcastStatus, RunStatus
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.services.freezing import DISPATCH_SIZE
from campaigns.services.scheduling import start_due_broadcasts
from campaigns.tasks import wake_every_drain
from communities.models import Community
from scrm.accounts.models import Enterprise, User
from scrm.wecom.models import ChannelAccount

SIZE = 100_000
GRAPHILE = "graphile-worker@0.18.0"
GRAPHILE_SIZE = 100_000
PEER_SIZE = 1_000  # the peer's cost per item does not change with their number
WORKERS = 2
PATIENCE = 900.0
COPY_BLOCK = 1 << 20
BODY = (
    "亲爱的{{昵称}}，{{社群}}本周六上午十点在滨江公园办宠物友好日，带上{{昵称}}家的毛孩子来玩，"
    "现场有免费体检和摄影，名额有限先到先得。回复 1 报名，回复 2 以后不再提醒。"
)

CREATE_MEMBERS = """
WITH people AS (
    INSERT INTO members_member (enterprise_id, external_id, nickname, phone)
    SELECT %(enterprise)s, 'customer-' || n, '成员' || n, '' FROM generate_series(1, %(size)s) n
    RETURNING id
)
INSERT INTO members_membership (enterprise_id, member_id, community_id, source, leave_reason)
SELECT %(enterprise)s, id, %(community)s, 'import', '' FROM people
"""

RAW_TABLES = """
DROP TABLE IF EXISTS bench_chunk, bench_delivery;
CREATE TABLE bench_delivery (LIKE campaigns_delivery INCLUDING DEFAULTS);
ALTER TABLE bench_delivery SET (fillfactor = 50);
INSERT INTO bench_delivery (run_id, recipient_id, status)
    SELECT 1, n, 'planned' FROM generate_series(1, %(size)s) n;
ALTER TABLE bench_delivery ADD PRIMARY KEY (run_id, recipient_id);
CREATE TABLE bench_chunk (
    id bigserial PRIMARY KEY, ids bigint[] NOT NULL, status text NOT NULL DEFAULT 'pending',
    leased_until timestamptz
);
INSERT INTO bench_chunk (ids)
    SELECT array_agg(n ORDER BY n) FROM generate_series(1, %(size)s) n
    GROUP BY (n - 1) / %(chunk)s ORDER BY 1;
"""

ADD_JOBS = """
SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT ('send', json_build_object('nickname', '成员' || n, 'community', '滨江养宠群'),
        NULL, now(), 25, NULL, NULL, NULL)::graphile_worker.job_spec
    FROM generate_series(1, %s) n
))
"""


# --- What is sent -------------------------------------------------------------------------------


def community_of(size: int) -> Community:
    """A community with so many members; made once per size."""
    code = f"bench-{size}"
    found = Community.objects.filter(code=code).select_related("enterprise").first()
    if found is not None:
        return found
    enterprise, _ = Enterprise.objects.get_or_create(slug=code, defaults={"name": code})
    community = Community.objects.create(enterprise=enterprise, code=code, name="滨江养宠群")
    values = {"enterprise": enterprise.pk, "community": community.pk, "size": size}
    with connection.cursor() as cursor:
        cursor.execute(CREATE_MEMBERS, values)
        cursor.execute("VACUUM ANALYZE members_member, members_membership")
    return community


def due_broadcast(size: int) -> Broadcast:
    community = community_of(size)
    enterprise = community.enterprise
    author, reviewer = (
        User.objects.get_or_create(username=f"{enterprise.slug}-{n}", enterprise=enterprise)[0]
        for n in range(2)
    )
    account, _ = ChannelAccount.objects.get_or_create(
        enterprise=enterprise, name="noop", kind="noop"
    )
    broadcast = Broadcast.objects.create(
        enterprise=enterprise,
        name="宠物友好日",
        body=BODY,
        channel_account=account,
        author=author,
        last_editor=author,
        approved_by=reviewer,
        status=BroadcastStatus.SCHEDULED,
        scheduled_at=timezone.now() - timedelta(seconds=1),
    )
    broadcast.communities.set([community])
    return broadcast


def forget_broadcasts() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE campaigns_delivery, campaigns_dispatch, campaigns_run,"
            " campaigns_broadcast, campaigns_broadcast_communities CASCADE"
        )


def wait_until(condition: Callable[[], bool], *, every: float = 0.03) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not finished within {PATIENCE:.0f} s.")
        time.sleep(every)


def is_completed(broadcast: Broadcast) -> bool:
    broadcast.refresh_from_db(fields=["status"])
    return broadcast.status == BroadcastStatus.COMPLETED


# --- The cases ----------------------------------------------------------------------------------


class RawLeasing:
    """What leasing chunks and writing results costs at least: nobody is read, nothing rendered."""

    name = "limit"
    most: int | None = None

    def prepare(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(RAW_TABLES, {"size": size, "chunk": DISPATCH_SIZE})
            cursor.execute("VACUUM ANALYZE bench_chunk, bench_delivery")
        self.stack = ExitStack()
        self.workers = [self.stack.enter_context(raw_worker()) for _ in range(WORKERS)]

    def run(self, size: int) -> int:
        for worker in self.workers:
            tell(worker, "go")
        for worker in self.workers:
            assert worker.wait(PATIENCE) == 0
        return size

    def verify(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_delivery WHERE status = 'delivered'")
            assert cursor.fetchone()[0] == size

    def clean(self) -> None:
        self.stack.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_chunk, bench_delivery")


class Ours:
    """From the first claim to the last result."""

    name = "ours"
    most: int | None = None

    def prepare(self, size: int) -> None:
        self.stack = ExitStack()
        forget_broadcasts()
        community_of(size)
        self.stack.enter_context(workers())
        for _ in range(WORKERS):  # imports and connections are not charged to the items
            warm_up()
        self.broadcast = due_broadcast(size)
        (run_id,) = start_due_broadcasts()
        # lies still until it is let go
        Broadcast.objects.filter(pk=self.broadcast.pk).update(status=BroadcastStatus.PAUSED)
        wait_until(lambda: Run.objects.get(pk=run_id).status == RunStatus.SENDING)

    def run(self, size: int) -> int:
        Broadcast.objects.filter(pk=self.broadcast.pk).update(status=BroadcastStatus.RUNNING)
        wake_every_drain()
        wait_until(lambda: is_completed(self.broadcast))
        return size

    def verify(self, size: int) -> None:
        run = self.broadcast.runs.get()
        assert counted_deliveries(run.pk)["delivered"] == progress_of(run.pk).delivered == size

    def clean(self) -> None:
        self.stack.close()


class CopyRows:
    """What PostgreSQL can take of these rows at most."""

    name = "limit:whole"
    most: int | None = None

    def prepare(self, size: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_delivery")
            cursor.execute("CREATE TABLE bench_delivery (LIKE campaigns_delivery)")
        settled = timezone.now().isoformat()
        self.rows = TemporaryFile()  # noqa: SIM115 - closed by clean(); memory is measured too
        for n in range(size):
            self.rows.write(f"1\t{n}\tdelivered\t\t{settled}\n".encode())
        self.rows.seek(0)

    def run(self, size: int) -> int:
        statement = (
            "COPY bench_delivery (run_id, recipient_id, status, reason, settled_at) FROM STDIN"
        )
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


class Whole(Ours):
    """From the due row to the last result."""

    name = "ours:whole"

    def prepare(self, size: int) -> None:
        self.stack = ExitStack()
        forget_broadcasts()
        community_of(size)
        self.stack.enter_context(workers())
        for _ in range(WORKERS):
            warm_up()
        self.broadcast = due_broadcast(size)

    def run(self, size: int) -> int:
        send(self.broadcast)
        return size


def warm_up() -> None:
    send(due_broadcast(100))


def send(broadcast: Broadcast) -> None:
    start_due_broadcasts()
    wait_until(lambda: is_completed(broadcast))


class CeleryPerRecipient:
    """The peer."""

    name = "peer:celery_per_recipient"
    most: int | None = PEER_SIZE

    def prepare(self, size: int) -> None:
        self.stack = ExitStack()
        forget_broadcasts()
        self.community = community_of(size)
        self.stack.enter_context(workers(include="bench._per_recipient"))
        self.send(self.due_run(100), 100)
        self.delivered_run = self.due_run(size)

    def due_run(self, size: int) -> Run:
        broadcast = due_broadcast(size)
        return Run.objects.create(
            broadcast=broadcast, planned_for=timezone.now(), status=RunStatus.FINISHED
        )

    def run(self, size: int) -> int:
        self.send(self.delivered_run, size)
        return size

    def send(self, run: Run, size: int) -> None:
        from bench._per_recipient import send_to_one

        members = run.broadcast.communities.get().memberships.active()
        for member_id in members.order_by("member_id").values_list("member_id", flat=True):
            send_to_one.delay(run.pk, member_id)
        wait_until(lambda: counted_deliveries(run.pk)["delivered"] == size, every=0.05)

    def verify(self, size: int) -> None:
        assert counted_deliveries(self.delivered_run.pk)["delivered"] == size

    def clean(self) -> None:
        self.stack.close()


class GraphileWorker:
    """The strongest queue on PostgreSQL that we know of, with its batching."""

    name = "peer:graphile_worker"
    most: int | None = GRAPHILE_SIZE

    def prepare(self, size: int) -> None:
        self.stack = ExitStack()
        folder = graphile_folder()
        command = ["npx", "--no-install", "graphile-worker", "-c", dsn(), "--schema-only"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        with connection.cursor() as cursor:
            cursor.execute(ADD_JOBS, [size])
        self.folder = folder

    def run(self, size: int) -> int:
        for _ in range(WORKERS):
            self.stack.enter_context(graphile_process(self.folder))
        wait_until(lambda: not self.jobs_left())
        return size

    def jobs_left(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)")
            return bool(cursor.fetchone()[0])

    def verify(self, size: int) -> None:
        assert not self.jobs_left()

    def clean(self) -> None:
        self.stack.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS graphile_worker CASCADE")


# --- Processes ----------------------------------------------------------------------------------


def dsn() -> str:
    return str(settings.DATABASE_URL)


@contextmanager
def raw_worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench._raw_leasing", dsn()]
    with listening(command, folder=ROOT) as process:
        yield process


@contextmanager
def graphile_process(folder: str) -> Iterator[subprocess.Popen[str]]:
    """The module is found beside the packages, so that is where it is read from."""
    script = Path(ROOT, "bench", "_graphile_worker.js").read_text()
    with listening(["node", "-e", script, "--", "", dsn()], folder=folder) as process:
        yield process


@contextmanager
def listening(command: list[str], *, folder: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said it is ready; ended with the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, text=True, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            while "ready" not in (line := process.stdout.readline()):
                assert line, "The process ended before it was ready."
            yield process
        finally:
            process.terminate()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def graphile_folder() -> str:
    """Where the peer is installed, by npm, once per machine."""
    folder = Path(tempfile.gettempdir(), "scrm-bench-node")
    folder.mkdir(exist_ok=True)
    if not (folder / "node_modules" / "graphile-worker").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", GRAPHILE]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return str(folder)


def workers(include: str = "scrm.celery") -> ExitStack:
    stack = ExitStack()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench._fanout_settings"
    stack.callback(os.environ.__setitem__, "DJANGO_SETTINGS_MODULE", "scrm.settings")
    stack.enter_context(celery_workers(WORKERS, queues=["drain"], options=["-I", include]))
    return stack


def cases() -> list[Case]:
    peers: list[Case] = [CeleryPerRecipient()]
    if shutil.which("npm") and shutil.which("node"):
        peers.append(GraphileWorker())
    else:
        print("peer:graphile_worker is left out: there is no npm here.", file=sys.stderr)
    return [RawLeasing(), Ours(), *peers, CopyRows(), Whole()]
