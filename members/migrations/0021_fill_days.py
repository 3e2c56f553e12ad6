from django.db import migrations

# Rows of a day grow during the day: room on the page keeps that cheap.
LEAVE_ROOM = """
SET LOCAL statement_timeout = 0;
ALTER TABLE members_memberday SET (fillfactor = 80);
ALTER TABLE members_staffday SET (fillfactor = 80);
ALTER TABLE members_purchaseday SET (fillfactor = 90);
"""
UNDO = """
ALTER TABLE members_memberday RESET (fillfactor);
ALTER TABLE members_staffday RESET (fillfactor);
ALTER TABLE members_purchaseday RESET (fillfactor);
"""
FILL_MEMBER_DAYS = """
UPDATE members_memberday day
SET hours = counted.hours, threads = counted.threads, thread_count = cardinality(counted.threads)
FROM (
    SELECT member_id, community_id, local::date AS day,
           bit_or(1 << date_part('hour', local)::integer) AS hours,
           array_agg(DISTINCT digest ORDER BY digest) AS threads
    FROM (
        SELECT event.member_id, event.community_id,
               event.occurred_at AT TIME ZONE enterprise.time_zone AS local,
               ('x' || left(md5(event.thread), 16))::bit(64)::bigint AS digest
        FROM members_activityevent event
        JOIN accounts_enterprise enterprise ON enterprise.id = event.enterprise_id
        WHERE event.member_id IS NOT NULL
    ) event
    GROUP BY member_id, community_id, local::date
) counted
WHERE (day.member_id, day.community_id, day.day)
    = (counted.member_id, counted.community_id, counted.day)
  AND day.threads = '{}';
"""
FILL_PURCHASE_DAYS = """
INSERT INTO members_purchaseday (
    enterprise_id, member_id, day, currency, order_count, standing_count, net_amount
)
SELECT purchase.enterprise_id, purchase.member_id,
       (purchase.paid_at AT TIME ZONE enterprise.time_zone)::date, purchase.currency,
       count(*), count(*) FILTER (WHERE purchase.refunded_amount < purchase.paid_amount),
       sum(purchase.paid_amount - purchase.refunded_amount)
FROM members_purchase purchase
JOIN accounts_enterprise enterprise ON enterprise.id = purchase.enterprise_id
GROUP BY 1, 2, 3, 4
ON CONFLICT (member_id, currency, day) DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0020_activity_and_value'),
    ]

    operations = [
        migrations.RunSQL(LEAVE_ROOM, UNDO),
        migrations.RunSQL(FILL_MEMBER_DAYS, migrations.RunSQL.noop, elidable=True),
        migrations.RunSQL(FILL_PURCHASE_DAYS, migrations.RunSQL.noop, elidable=True),
    ]
