"""Moving a run that was made now back to when it would have been, with all that it left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from campaigns.models import Approval, Broadcast, BroadcastForecast, Experiment, Run
from campaigns.selectors.arms import arms_of, is_recurring
from campaigns.selectors.leaves import community_ids_of
from campaigns.services.forecasting import settle_forecast
from campaigns.services.reporting import report_run
from campaigns.services.watching import look_at
from scrm.shared.sql import Sql, named_sql

MOVES = (
    """
    UPDATE campaigns_run SET planned_for = planned_for - %(back)s,
        started_at = started_at - %(back)s, finished_at = finished_at - %(back)s
    WHERE id = %(run)s
    """,
    """
    UPDATE campaigns_dispatch SET due_at = due_at - %(back)s, attempted_at = attempted_at - %(back)s
    WHERE run_id = %(run)s
    """,
    """
    UPDATE campaigns_delivery SET settled_at = settled_at - %(back)s
    WHERE run_id = %(run)s AND settled_at IS NOT NULL
    """,
    "UPDATE campaigns_communitypost SET posted_at = posted_at - %(back)s WHERE run_id = %(run)s",
    """
    UPDATE campaigns_sandboxmessage SET received_at = received_at - %(back)s
    WHERE key IN (SELECT 'dispatch-' || id FROM campaigns_dispatch WHERE run_id = %(run)s)
    """,
)

# Who has left since was there when the run began, so they got it too. An audience that is drawn up
# now has none of them.
LEAVERS = """
WITH gone AS MATERIALIZED (
    SELECT member.id, {arm} AS arm, member.external_id, member.nickname,
           min(community.name) AS community
    FROM members_membership membership
    JOIN members_member member ON member.id = membership.member_id AND member.erased_at IS NULL
    JOIN communities_community community ON community.id = membership.community_id
    JOIN campaigns_run run ON run.id = {run}
    WHERE membership.community_id = ANY({communities})
      AND membership.joined_at < run.started_at
      AND membership.left_at > run.started_at + interval '10 minutes'
      AND NOT EXISTS (
          SELECT FROM campaigns_delivery known
          WHERE known.run_id = {run} AND known.recipient_id = member.id
      )
      AND (
          SELECT bool_and(consent.decision = 'granted') FROM members_consent consent
          WHERE consent.member_id = member.id AND consent.purpose = 'broadcast'
      )
    GROUP BY member.id
), last AS (
    SELECT DISTINCT ON (dispatch.arm) dispatch.id, dispatch.arm, dispatch.attempted_at AS at
    FROM campaigns_dispatch dispatch
    WHERE dispatch.run_id = {run} AND dispatch.delivered_count > 0
    ORDER BY dispatch.arm, dispatch.id DESC
), placed AS MATERIALIZED (
    SELECT gone.*, last.id AS dispatch_id, last.at
    FROM gone JOIN last ON last.arm IS NOT DISTINCT FROM gone.arm
), told AS (
    INSERT INTO campaigns_delivery (run_id, recipient_id, status, settled_at)
    SELECT {run}, id, 'delivered', at FROM placed
), grown AS (
    UPDATE campaigns_dispatch dispatch SET
        recipient_ids = dispatch.recipient_ids || more.ids,
        delivered_count = dispatch.delivered_count + cardinality(more.ids)
    FROM (
        SELECT dispatch_id, array_agg(id ORDER BY id) AS ids FROM placed GROUP BY dispatch_id
    ) more
    WHERE dispatch.id = more.dispatch_id
), heard AS (
    INSERT INTO campaigns_sandboxmessage
        (channel_account_id, key, recipient_kind, recipient_ref, body, received_at)
    SELECT broadcast.channel_account_id, 'dispatch-' || placed.dispatch_id, 'member',
           placed.external_id,
           replace(
               replace(coalesce(variant.body, broadcast.body), '{{{{昵称}}}}', placed.nickname),
               '{{{{社群}}}}', placed.community
           ),
           placed.at
    FROM placed
    JOIN campaigns_run run ON run.id = {run}
    JOIN campaigns_broadcast broadcast ON broadcast.id = run.broadcast_id
    LEFT JOIN campaigns_experiment experiment ON experiment.broadcast_id = broadcast.id
    LEFT JOIN campaigns_experimentarm variant
      ON variant.experiment_id = experiment.id AND variant.number = placed.arm
     AND variant.body <> ''
)
UPDATE campaigns_run SET recipient_count = recipient_count + (SELECT count(*) FROM placed)
WHERE id = {run}
"""


def date_back(run: Run, at: datetime) -> None:
    """As if it had been planned for ``at``; its broadcast is as much older, if it is its first."""
    run.refresh_from_db()
    back = run.planned_for - at
    values: dict[str, Any] = {"run": run.pk, "back": back}
    with connection.cursor() as cursor:
        for move in MOVES:
            cursor.execute(move, values)
    if not Run.objects.filter(broadcast=run.broadcast_id).exclude(pk=run.pk).exists():
        Broadcast.objects.filter(pk=run.broadcast_id).update(
            approved_at=F("approved_at") - back, created_at=F("created_at") - back
        )
        Approval.objects.filter(broadcast=run.broadcast_id).update(
            decided_at=F("decided_at") - back
        )
    _date_back_experiment(run, at, back)
    _date_back_forecast(run, back)
    run.refresh_from_db()


def _date_back_experiment(run: Run, at: datetime, back: timedelta) -> None:
    """One that compares several runs ends with a day."""
    experiment = Experiment.objects.filter(broadcast=run.broadcast_id).first()
    if experiment is None or experiment.starts_on is None or experiment.ends_at is None:
        return
    days = experiment.starts_on - at.date()
    experiment.ends_at -= days if is_recurring(run.broadcast_id) else back
    experiment.starts_on = at.date()
    experiment.save(update_fields=["starts_on", "ends_at"])


def _date_back_forecast(run: Run, back: timedelta) -> None:
    for forecast in BroadcastForecast.objects.filter(run=run):
        as_of = datetime.fromisoformat(forecast.figures["as_of"]) - back
        forecast.figures["as_of"] = as_of.isoformat()
        forecast.computed_at -= back
        forecast.save(update_fields=["figures", "computed_at"])


def reach_who_left_since(run: Run) -> None:
    """Of a run that was dated back, for the members that it would have gone to then."""
    arms = arms_of(run)
    statement = named_sql(
        LEAVERS,
        run=run.pk,
        communities=community_ids_of(run.broadcast),
        arm=arms.sql("member.id") if arms else Sql("NULL::smallint"),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)


def take_stock(run: Run) -> None:
    """Who left and what it brought, as the sweeps would have found out by now, and whether that
    was to be expected."""
    look_at(run.pk)
    report_run(run.pk)
    settle_forecast(run.pk)
