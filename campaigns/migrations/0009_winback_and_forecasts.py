import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


# A dismissed alert has no outcome yet: it is judged like any other, unless nobody may watch.
FROM_STATUS = """
UPDATE campaigns_churnalert alert SET outcome = CASE alert.status
    WHEN 'recovered' THEN 'saved' WHEN 'churned' THEN 'lost' WHEN 'expired' THEN 'unmeasured'
    ELSE 'unwatched' END
WHERE alert.status IN ('recovered', 'churned', 'expired')
   OR (alert.status = 'dismissed' AND EXISTS (
       SELECT FROM members_member member
       WHERE member.id = alert.member_id AND member.erased_at IS NOT NULL))
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_activity_and_value'),
        ('accounts', '__first__'),
        ('campaigns', '0008_broadcasts'),
        ('communities', '0010_owner_days'),
        ('members', '0020_activity_and_value'),
    ]

    operations = [
        migrations.CreateModel(
            name='BroadcastForecast',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('figures', models.JSONField(default=dict, verbose_name='预测')),
                ('actual', models.JSONField(blank=True, null=True, verbose_name='实际')),
                ('is_assumption', models.BooleanField(default=True, help_text='本企业的历史还不够，用的是默认参数。', verbose_name='只是假设')),
                ('computed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='计算时间')),
                ('broadcast', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='forecasts', to='campaigns.broadcast', verbose_name='群发')),
                ('run', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='forecast', to='campaigns.run', verbose_name='群发执行')),
            ],
            options={
                'verbose_name': '群发预测',
                'verbose_name_plural': '群发预测',
                'constraints': [models.UniqueConstraint(condition=models.Q(('run', None)), fields=('broadcast',), name='one_forecast_before_the_run', violation_error_message='这条群发已有预测。')],
            },
        ),
        migrations.CreateModel(
            name='WinbackAction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('task', '人工联系'), ('message', '发消息'), ('benefit', '发权益')], max_length=20, verbose_name='方式')),
                ('status', models.CharField(choices=[('planned', '待执行'), ('done', '已执行'), ('suppressed', '被拦下'), ('failed', '失败'), ('cancelled', '已取消')], default='planned', max_length=20, verbose_name='状态')),
                ('benefit', models.CharField(blank=True, default='', help_text='例如优惠券的名称或批次号。', max_length=200, verbose_name='权益')),
                ('cost_amount', models.BigIntegerField(default=0, verbose_name='成本（分）')),
                ('note', models.CharField(blank=True, default='', max_length=300, verbose_name='备注')),
                ('reason', models.CharField(blank=True, default='', max_length=40, verbose_name='未执行原因')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='发起时间')),
                ('done_at', models.DateTimeField(blank=True, null=True, verbose_name='完成时间')),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='campaigns.churnalert', verbose_name='流失预警')),
                ('broadcast', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='winback_actions', to='campaigns.broadcast', verbose_name='群发')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='发起人')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('task', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.operatortask', verbose_name='待办')),
            ],
            options={
                'verbose_name': '挽回动作',
                'verbose_name_plural': '挽回动作',
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'planned')), fields=('alert', 'kind'), name='one_planned_winback_of_a_kind', violation_error_message='这条预警已有同样的待执行动作。'), models.CheckConstraint(condition=models.Q(('kind__in', ['task', 'message', 'benefit']), ('status__in', ['planned', 'done', 'suppressed', 'failed', 'cancelled']), ('cost_amount__gte', 0)), name='winback_action_is_known', violation_error_message='未知的方式或状态，或成本为负。')],
            },
        ),
        migrations.CreateModel(
            name='WinbackPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('threshold_percent', models.PositiveSmallIntegerField(default=50, verbose_name='预警阈值（%）')),
                ('top_percent', models.PositiveSmallIntegerField(default=10, help_text='概率不到阈值但损失期望最高的这部分也预警；0 表示不用。', verbose_name='价值 × 风险前百分之几')),
                ('holdout_percent', models.PositiveSmallIntegerField(default=5, help_text='5 到 10；用来知道挽回是不是真的有用。', verbose_name='不干预的对照（%）')),
                ('cooldown_days', models.PositiveSmallIntegerField(default=28, verbose_name='冷却天数')),
                ('community', models.ForeignKey(blank=True, help_text='留空表示全企业。', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '流失预警规则',
                'verbose_name_plural': '流失预警规则',
                'constraints': [models.UniqueConstraint(fields=('enterprise', 'community'), name='one_winback_policy', nulls_distinct=False, violation_error_message='这个范围已有规则。'), models.CheckConstraint(condition=models.Q(('cooldown_days__range', (7, 365)), ('holdout_percent__range', (5, 10)), ('threshold_percent__range', (5, 95)), ('top_percent__lte', 50)), name='winback_policy_is_within_reason', violation_error_message='阈值 5–95，前 0–50，对照 5–10（都是百分数）；冷却 7–365 天。')],
            },
        ),
        migrations.AddField(
            model_name='churnalert',
            name='cause',
            field=models.CharField(choices=[('threshold', '概率达到阈值'), ('top_value', '价值 × 风险居前')], db_default='threshold', default='threshold', max_length=20, verbose_name='预警依据'),
        ),
        migrations.AddField(
            model_name='churnalert',
            name='is_held_out',
            field=models.BooleanField(db_default=False, default=False, help_text='只观察，不联系。', verbose_name='不干预的对照'),
        ),
        migrations.AddField(
            model_name='churnalert',
            name='outcome',
            field=models.CharField(blank=True, choices=[('saved', '已回来'), ('lost', '已沉默'), ('left', '已退群'), ('unmeasured', '没有数据，无法判断'), ('unwatched', '不再观察（撤回授权或已抹除）')], db_default='', default='', help_text='观察期结束后成员怎样了；被忽略的预警也会有结果。空表示还没到时候。', max_length=20, verbose_name='结果'),
        ),
        migrations.AddField(
            model_name='churnalert',
            name='value_basis',
            field=models.CharField(choices=[('clv', '预计价值'), ('spent', '近一年净消费')], db_default='spent', default='spent', max_length=10, verbose_name='价值依据'),
        ),
        migrations.AlterField(
            model_name='churnalert',
            name='community',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='churn_alerts', to='communities.community', verbose_name='社群'),
        ),
        migrations.AlterField(
            model_name='churnalert',
            name='enterprise',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业'),
        ),
        migrations.AlterField(
            model_name='churnalert',
            name='member',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='churn_alerts', to='members.member', verbose_name='成员'),
        ),
        migrations.AlterField(
            model_name='churnalert',
            name='model_version',
            field=models.CharField(max_length=60, verbose_name='模型版本'),
        ),
        migrations.AlterField(
            model_name='churnalert',
            name='value_amount',
            field=models.BigIntegerField(default=0, help_text='预计价值；没有模型时是近一年净消费。', verbose_name='成员价值（分）'),
        ),
        migrations.AddIndex(
            model_name='churnalert',
            index=models.Index(condition=models.Q(('outcome', '')), fields=['community', 'id'], name='undecided_alerts'),
        ),
        migrations.AddIndex(
            model_name='churnalert',
            index=models.Index(fields=['member', 'community', '-closed_at'], name='alerts_of_member'),
        ),
        migrations.AddIndex(
            model_name='churnalert',
            index=models.Index(fields=['enterprise', 'opened_on'], name='alerts_by_day'),
        ),
        migrations.AddConstraint(
            model_name='churnalert',
            constraint=models.CheckConstraint(condition=models.Q(('cause__in', ['threshold', 'top_value']), ('value_basis__in', ['clv', 'spent'])), name='alert_cause_is_known', violation_error_message='未知的预警依据。'),
        ),
        migrations.AddConstraint(
            model_name='churnalert',
            constraint=models.CheckConstraint(condition=models.Q(('outcome', ''), ('outcome__in', ['saved', 'lost', 'left', 'unmeasured', 'unwatched']), _connector='OR'), name='alert_outcome_is_known', violation_error_message='未知的预警结果。'),
        ),
        migrations.RunSQL(FROM_STATUS, migrations.RunSQL.noop, elidable=True),
    ]
