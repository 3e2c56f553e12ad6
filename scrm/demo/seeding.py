"""Making the demonstration customer, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction

from campaigns.services.welcoming import create_welcome_policy
from scrm.accounts.models import Enterprise
from scrm.demo import world
from scrm.demo.arriving import (
    let_people_apply,
    let_trouble_happen,
    refuse_for_one_purchase,
    show_photos,
)
from scrm.demo.founding import Founded, found
from scrm.demo.growing import hang_up_codes, look_at_sizes
from scrm.demo.handing_over import let_people_leave, name_policies
from scrm.demo.happening import let_it_happen
from scrm.demo.inhabiting import register_people, settle_people
from scrm.demo.living import record_activity, record_orders, watch_for_churn
from scrm.demo.looking_back import look_back, see_how_right_it_was
from scrm.demo.moving_in import move_in
from scrm.demo.people import people
from scrm.demo.simulating import simulated_wecom
from scrm.demo.standing import (
    ask_for_consent,
    classify_people,
    name_segments,
    rank_people,
    tag_people,
)
from scrm.demo.talking import talk_to_people
from scrm.wecom.simulator.corp import Corp

SEED = 20260101
SIZES = {"small": 1500, "medium": 6000}

type Report = Callable[[str], None]


def is_seeded() -> bool:
    return Enterprise.objects.filter(slug=world.ENTERPRISE_SLUG).exists()


def seed_demo(*, members: int, now: datetime, report: Report) -> None:
    """All of it, or after a failure nothing but what was sent: sending never is in a transaction.

    The same number gives the same people and the same behaviour, counted back from today.
    """
    with simulated_wecom() as simulated:
        corp = simulated.create_corp(world.ENTERPRISE_NAME) if simulated else None
        founded = seed_history(members, now=now, corp=corp, report=report)
        if corp:
            customers, chats = move_in(founded, corp)
            runs = let_it_happen(founded, corp)
            missed = sum(sum(step.values()) for run in runs for step in run.drift.values())
            report(f"企业微信：{customers:,} 位客户 · {chats} 个群 · 同步差异 {missed} 处")
            report(f"{let_people_leave(founded, corp)} 个离职交接")


def seed_history(members: int, *, now: datetime, corp: Corp | None, report: Report) -> Founded:
    crowd = list(people(members, seed=SEED))
    with transaction.atomic():
        with connection.cursor() as cursor:
            # big batches, and long thinking between them, on slow machines
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        founded = found(now, corp=corp)
        report(f"{len(founded.communities)} 个社群 · {name_policies(founded)} 条转让规则")
        rows = register_people(founded, crowd)
        memberships = settle_people(founded, crowd, rows)
        classes = classify_people(founded, crowd, rows, seed=SEED)
        ask_for_consent(founded, crowd, rows, seed=SEED)
        report(f"{len(rows):,} 成员 · {memberships:,} 次入群 · {classes:,} 条分类")
        create_welcome_policy(actor=founded.admin, body=world.WELCOME)
        vip = founded.communities["vip"]
        create_welcome_policy(actor=founded.admin, body=world.VIP_WELCOME, community=vip)
        report(f"{record_orders(founded, crowd, seed=SEED):,} 笔订单")
        report(f"{record_activity(founded, crowd, seed=SEED):,} 条活跃")
    tell_the_planner()
    report(f"{watch_for_churn(founded)} 条流失预警")
    let_people_in(founded, report)
    report(f"{hang_up_codes(founded, seed=SEED)} 个群活码 · {look_at_sizes(founded)} 个并群建议")
    talk_to_people(founded, report, seed=SEED)
    checks = see_how_right_it_was(founded)
    report(f"{checks} 次评分核对 · {look_back(founded):,} 个社群日快照")
    return founded


def tell_the_planner() -> None:
    """A database that was filled in one go takes its tables for empty until it is told."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def let_people_in(founded: Founded, report: Report) -> None:
    """Tiers first, because thresholds ask for them."""
    report(f"{rank_people(founded):,} 位成员定级")
    report(f"{tag_people(founded):,} 个标签 · {name_segments(founded)} 个人群包")
    applied = let_people_apply(founded, seed=SEED)
    applied["refused"] += refuse_for_one_purchase(founded)
    report(f"{applied['waiting']} 份待审核申请 · {applied['refused']} 份未通过")
    report(f"{show_photos(founded)} 张凭证待审 · {let_trouble_happen(founded)} 次未经准入的入群")
