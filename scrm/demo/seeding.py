"""Making the demonstration customer, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from campaigns.services.welcoming import create_welcome_policy
from scrm.accounts.models import Enterprise
from scrm.demo import world
from scrm.demo.founding import found
from scrm.demo.inhabiting import register_people, settle_people
from scrm.demo.living import (
    let_people_apply,
    record_activity,
    record_orders,
    talk_to_people,
    watch_for_churn,
)
from scrm.demo.people import people

SEED = 20260101
SIZES = {"small": 1500, "medium": 6000}

type Report = Callable[[str], None]


def is_seeded() -> bool:
    return Enterprise.objects.filter(slug=world.ENTERPRISE_SLUG).exists()


def seed_demo(*, members: int, now: datetime, report: Report) -> None:
    """All of it, or after a failure nothing but what was sent: sending never is in a transaction.

    The same number gives the same people and the same behaviour, counted back from today.
    """
    crowd = list(people(members, seed=SEED))
    with transaction.atomic():
        with connection.cursor() as cursor:
            # big batches, and long thinking between them, on slow machines
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        founded = found(now)
        report(f"{len(founded.communities)} 个社群")
        rows = register_people(founded, crowd)
        memberships = settle_people(founded, crowd, rows)
        report(f"{len(rows):,} 成员 · {memberships:,} 次入群")
        create_welcome_policy(actor=founded.admin, body=world.WELCOME)
        vip = founded.communities["vip"]
        create_welcome_policy(actor=founded.admin, body=world.VIP_WELCOME, community=vip)
        report(f"{record_orders(founded, crowd, seed=SEED):,} 笔订单")
        report(f"{record_activity(founded, crowd, seed=SEED):,} 条活跃")
    report(f"{watch_for_churn(founded)} 条流失预警")
    applied = let_people_apply(founded, seed=SEED)
    report(f"{applied['waiting']} 份待审核申请 · {applied['refused']} 份未通过")
    report(f"{talk_to_people(founded)} 个群发")
