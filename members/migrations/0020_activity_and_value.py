import communities.models.ownership
import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.db.models.constraints
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_activity_and_value'),
        ('accounts', '__first__'),
        ('communities', '0010_owner_days'),
        ('members', '0019_erased_members'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChurnForecast',
            fields=[
                ('pk', models.CompositePrimaryKey('community_id', 'cut', 'member_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('cut', models.DateField()),
                ('probability', models.FloatField()),
                ('silence_days', models.SmallIntegerField()),
                ('model_version', models.CharField(max_length=60)),
                ('community', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community')),
                ('member', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member')),
            ],
            options={
                'verbose_name': '待核对的预测',
                'verbose_name_plural': '待核对的预测',
            },
        ),
        migrations.CreateModel(
            name='CommunityDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='日期')),
                ('member_count_start', models.PositiveIntegerField(verbose_name='日初成员')),
                ('joined_count', models.PositiveIntegerField(verbose_name='加入')),
                ('left_count', models.PositiveIntegerField(verbose_name='离开')),
                ('member_count_end', models.PositiveIntegerField(verbose_name='日末成员')),
                ('is_measured', models.BooleanField(verbose_name='有数据覆盖')),
                ('active_count', models.PositiveIntegerField(blank=True, null=True, verbose_name='活跃成员')),
                ('active_count_7', models.PositiveIntegerField(blank=True, null=True, verbose_name='近 7 天活跃')),
                ('active_count_28', models.PositiveIntegerField(blank=True, null=True, verbose_name='近 28 天活跃')),
                ('speaker_count', models.PositiveIntegerField(blank=True, null=True, verbose_name='发言成员')),
                ('speaker_count_7', models.PositiveIntegerField(blank=True, null=True, verbose_name='近 7 天发言成员')),
                ('interaction_count', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='成员互动')),
                ('message_count', models.PositiveBigIntegerField(blank=True, help_text='发言、发帖和评论。', null=True, verbose_name='成员发言')),
                ('staff_message_count', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='员工发言')),
                ('buyer_count', models.PositiveIntegerField(default=0, verbose_name='下单成员')),
                ('order_count', models.PositiveIntegerField(default=0, verbose_name='订单')),
                ('net_amount', models.BigIntegerField(default=0, verbose_name='净成交（分）')),
                ('hour_actives', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), blank=True, editable=False, help_text='当地每小时的活跃成员数。', null=True, size=24)),
                ('figures', models.JSONField(blank=True, db_default={}, default=dict, editable=False, help_text='以这一天为止的指标，按名称；没有的还没算。', verbose_name='指标')),
                ('computed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='计算时间')),
                ('community', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '社群日快照',
                'verbose_name_plural': '社群日快照',
                'indexes': [models.Index(fields=['enterprise', '-day', '-id'], name='snapshots_newest_first')],
                'constraints': [models.UniqueConstraint(fields=('community', 'day'), name='one_snapshot_per_community_and_day', violation_error_message='这一天已有快照。'), models.CheckConstraint(condition=models.Q(('member_count_end', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('member_count_start'), '+', models.F('joined_count')), '-', models.F('left_count')))), name='members_of_a_day_add_up', violation_error_message='日初 + 加入 − 离开 必须等于日末。')],
            },
        ),
        migrations.CreateModel(
            name='DayCheck',
            fields=[
                ('enterprise', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='accounts.enterprise')),
                ('checked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('day_count', models.PositiveBigIntegerField(default=0)),
                ('wrong_count', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'verbose_name': '日汇总核对',
                'verbose_name_plural': '日汇总核对',
            },
        ),
        migrations.CreateModel(
            name='DetachedMonth',
            fields=[
                ('month', models.DateField(primary_key=True, serialize=False)),
                ('detached_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': '已分离的月份',
                'verbose_name_plural': '已分离的月份',
            },
        ),
        migrations.CreateModel(
            name='ImportPayload',
            fields=[
                ('run', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='payload', serialize=False, to='members.importrun')),
                ('content', models.BinaryField()),
            ],
            options={
                'verbose_name': '待导入内容',
                'verbose_name_plural': '待导入内容',
            },
        ),
        migrations.CreateModel(
            name='ImportRejection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField(help_text='从 0 数起。', verbose_name='第几条')),
                ('code', models.CharField(max_length=60, verbose_name='错误码')),
                ('detail', models.CharField(max_length=500, verbose_name='说明')),
                ('line', models.PositiveIntegerField(db_default=0, default=0, help_text='文件里的第几行，从 1 数起。', verbose_name='行号')),
                ('raw', models.CharField(blank=True, db_default='', default='', max_length=600, verbose_name='原始内容')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rejections', to='members.importrun')),
            ],
            options={
                'verbose_name': '被拒绝的行',
                'verbose_name_plural': '被拒绝的行',
                'constraints': [models.UniqueConstraint(fields=('run', 'position'), name='one_rejection_per_item', violation_error_message='这一条已有拒绝记录。')],
            },
        ),
        migrations.CreateModel(
            name='MemberValue',
            fields=[
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='value', serialize=False, to='members.member', verbose_name='成员')),
                ('recency', models.PositiveSmallIntegerField(default=0, verbose_name='R')),
                ('frequency', models.PositiveSmallIntegerField(default=0, verbose_name='F')),
                ('monetary', models.PositiveSmallIntegerField(default=0, verbose_name='M')),
                ('segment', models.CharField(blank=True, choices=[('champions', '重要价值'), ('loyal', '重要发展'), ('new', '新客户'), ('needs_attention', '需要关注'), ('at_risk', '重要挽留'), ('hibernating', '沉睡')], default='', max_length=20, verbose_name='RFM 分群')),
                ('behaviour', models.CharField(choices=[('creator', '内容贡献'), ('talker', '积极发言'), ('reactor', '只互动'), ('newcomer', '新加入'), ('dormant', '沉默'), ('unmeasured', '没有数据')], default='unmeasured', max_length=20, verbose_name='行为标签')),
                ('purchase_days', models.PositiveIntegerField(default=0, verbose_name='购买天数')),
                ('first_purchase_on', models.DateField(blank=True, null=True, verbose_name='首次购买')),
                ('last_purchase_on', models.DateField(blank=True, null=True, verbose_name='最近购买')),
                ('spent_amount', models.BigIntegerField(default=0, verbose_name='累计净消费（分）')),
                ('spent_year_amount', models.BigIntegerField(default=0, verbose_name='近一年净消费（分）')),
                ('repeat_amount', models.BigIntegerField(db_default=0, default=0, help_text='首次购买那天之后的。', verbose_name='复购净消费（分）')),
                ('last_sign_on', models.DateField(blank=True, null=True, verbose_name='近 90 天最近活跃')),
                ('active_days', models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='近 90 天活跃天数')),
                ('contribution', models.PositiveIntegerField(db_default=0, default=0, help_text='发帖计 4，发言和评论计 2，其他互动计 1。', verbose_name='近 90 天贡献')),
                ('alive', models.FloatField(blank=True, null=True, verbose_name='仍是顾客的概率')),
                ('expected_purchases', models.FloatField(blank=True, null=True, verbose_name='未来 12 个月预计购买天数')),
                ('clv_amount', models.BigIntegerField(blank=True, null=True, verbose_name='预计价值（分）')),
                ('clv_band', models.CharField(choices=[('high', '高'), ('medium', '中'), ('low', '低'), ('none', '无法估计')], default='none', max_length=10, verbose_name='价值档')),
                ('model_version', models.CharField(blank=True, default='', max_length=60, verbose_name='模型版本')),
                ('computed_on', models.DateField(help_text='每晚都核对；这是最近一次有变化的那天。', verbose_name='计算日')),
                ('enterprise', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '成员价值',
                'verbose_name_plural': '成员价值',
                'indexes': [models.Index(models.F('enterprise'), models.OrderBy(models.F('clv_amount'), descending=True, nulls_last=True), models.OrderBy(models.F('member'), descending=True), name='values_highest_first'), models.Index(fields=['enterprise', 'segment', 'clv_band', 'behaviour'], name='value_matrix')],
                'constraints': [models.CheckConstraint(condition=models.Q(('frequency__lte', 5), ('monetary__lte', 5), ('recency__lte', 5)), name='rfm_scores_are_at_most_five', violation_error_message='RFM 分数为 0 到 5。')],
            },
        ),
        migrations.CreateModel(
            name='PastValue',
            fields=[
                ('pk', models.CompositePrimaryKey('enterprise_id', 'cut', 'member_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('cut', models.DateField()),
                ('segment', models.CharField(blank=True, choices=[('champions', '重要价值'), ('loyal', '重要发展'), ('new', '新客户'), ('needs_attention', '需要关注'), ('at_risk', '重要挽留'), ('hibernating', '沉睡')], default='', max_length=20)),
                ('clv_band', models.CharField(choices=[('high', '高'), ('medium', '中'), ('low', '低'), ('none', '无法估计')], max_length=10)),
                ('behaviour', models.CharField(choices=[('creator', '内容贡献'), ('talker', '积极发言'), ('reactor', '只互动'), ('newcomer', '新加入'), ('dormant', '沉默'), ('unmeasured', '没有数据')], max_length=20)),
                ('enterprise', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='members.member')),
            ],
            options={
                'verbose_name': '待观察的价值格',
                'verbose_name_plural': '待观察的价值格',
            },
        ),
        migrations.CreateModel(
            name='PredictionModel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('churn_logistic', '流失：逻辑回归'), ('churn_btyd', '流失：BG/NBD（按周）'), ('clv', '价值：BG/NBD × Gamma-Gamma')], max_length=20, verbose_name='模型')),
                ('version', models.CharField(max_length=60, verbose_name='版本')),
                ('status', models.CharField(choices=[('candidate', '候选'), ('active', '在用'), ('retired', '已停用'), ('rejected', '未采用')], default='candidate', max_length=20, verbose_name='状态')),
                ('parameters', models.JSONField(default=dict, verbose_name='参数')),
                ('figures', models.JSONField(default=dict, verbose_name='拟合指标')),
                ('notes', models.JSONField(default=list, help_text='为什么退回默认、为什么没有采用。', verbose_name='说明')),
                ('trained_until', models.DateField(verbose_name='数据截至')),
                ('row_count', models.PositiveIntegerField(default=0, verbose_name='样本数')),
                ('positive_count', models.PositiveIntegerField(default=0, verbose_name='其中流失或复购')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='训练时间')),
                ('retired_at', models.DateTimeField(blank=True, null=True, verbose_name='停用时间')),
                ('chosen_until', models.DateField(blank=True, help_text='在这一天之前，每周训练不会换掉人工的选择。', null=True, verbose_name='人工选定至')),
                ('community', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '预测模型',
                'verbose_name_plural': '预测模型',
                'constraints': [models.UniqueConstraint(fields=('enterprise', 'version'), name='prediction_version_is_unique', violation_error_message='这个版本已存在。'), models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('enterprise', 'community', 'kind'), name='one_active_model', nulls_distinct=False, violation_error_message='同一范围同时只能有一个在用的模型。'), models.CheckConstraint(condition=models.Q(('kind__in', ['churn_logistic', 'churn_btyd', 'clv']), ('status__in', ['candidate', 'active', 'retired', 'rejected'])), name='prediction_model_is_known', violation_error_message='未知的模型类型或状态。')],
            },
        ),
        migrations.CreateModel(
            name='PurchaseDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='日期')),
                ('currency', models.CharField(max_length=3, verbose_name='币种')),
                ('order_count', models.PositiveIntegerField(default=0, verbose_name='订单数')),
                ('standing_count', models.PositiveIntegerField(default=0, verbose_name='未全额退款的订单数')),
                ('net_amount', models.BigIntegerField(default=0, verbose_name='实付减退款（分）')),
                ('enterprise', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='purchase_days', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '成员日消费',
                'verbose_name_plural': '成员日消费',
                'indexes': [models.Index(fields=['enterprise', '-day', '-id'], name='purchase_days_newest_first')],
                'constraints': [models.UniqueConstraint(fields=('member', 'currency', 'day'), name='one_row_per_buyer_and_day', violation_error_message='这一天已有记录。')],
            },
        ),
        migrations.CreateModel(
            name='ScoreCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cut', models.DateField(verbose_name='评分日')),
                ('model_version', models.CharField(max_length=60, verbose_name='模型版本')),
                ('is_backtest', models.BooleanField(default=False, verbose_name='回测')),
                ('scored_count', models.PositiveIntegerField(verbose_name='评分人数')),
                ('churned_count', models.PositiveIntegerField(verbose_name='其中流失')),
                ('figures', models.JSONField(default=dict, verbose_name='核对结果')),
                ('checked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='核对时间')),
                ('community', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '预测核对',
                'verbose_name_plural': '预测核对',
                'indexes': [models.Index(fields=['enterprise', '-cut', '-id'], name='checks_newest_first')],
                'constraints': [models.UniqueConstraint(fields=('community', 'cut', 'model_version', 'is_backtest'), name='one_check_per_cut_and_model', violation_error_message='这一天已经核对过。')],
            },
        ),
        migrations.CreateModel(
            name='StaffDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='日期')),
                ('message_count', models.PositiveIntegerField(default=0, help_text='发言、发帖和评论。', verbose_name='发言')),
                ('other_count', models.PositiveIntegerField(default=0, verbose_name='其他互动')),
                ('community', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('staff', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.staff', verbose_name='员工')),
            ],
            options={
                'verbose_name': '员工日活跃',
                'verbose_name_plural': '员工日活跃',
                'constraints': [models.UniqueConstraint(fields=('community', 'day', 'staff'), name='one_row_per_staff_and_day', violation_error_message='这一天已有记录。')],
            },
        ),
        migrations.CreateModel(
            name='StaleDay',
            fields=[
                ('pk', models.CompositePrimaryKey('community_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('marked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('community', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='communities.community')),
            ],
            options={
                'verbose_name': '待重算的快照',
                'verbose_name_plural': '待重算的快照',
            },
        ),
        migrations.CreateModel(
            name='ValueCell',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cut', models.DateField(verbose_name='日期')),
                ('segment', models.CharField(blank=True, choices=[('champions', '重要价值'), ('loyal', '重要发展'), ('new', '新客户'), ('needs_attention', '需要关注'), ('at_risk', '重要挽留'), ('hibernating', '沉睡')], default='', max_length=20, verbose_name='RFM 分群')),
                ('clv_band', models.CharField(choices=[('high', '高'), ('medium', '中'), ('low', '低'), ('none', '无法估计')], max_length=10, verbose_name='价值档')),
                ('behaviour', models.CharField(choices=[('creator', '内容贡献'), ('talker', '积极发言'), ('reactor', '只互动'), ('newcomer', '新加入'), ('dormant', '沉默'), ('unmeasured', '没有数据')], max_length=20, verbose_name='行为标签')),
                ('member_count', models.PositiveIntegerField(verbose_name='人数')),
                ('clv_amount', models.BigIntegerField(default=0, verbose_name='预计价值合计（分）')),
                ('measured_count', models.PositiveIntegerField(blank=True, help_text='之后 28 天所在社群有数据覆盖的人。', null=True, verbose_name='可观察人数')),
                ('active_count', models.PositiveIntegerField(blank=True, null=True, verbose_name='之后 28 天活跃')),
                ('buyer_count', models.PositiveIntegerField(blank=True, null=True, verbose_name='之后 28 天购买')),
                ('community', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '价值矩阵',
                'verbose_name_plural': '价值矩阵',
                'constraints': [models.UniqueConstraint(fields=('enterprise', 'community', 'cut', 'segment', 'clv_band', 'behaviour'), name='one_row_per_cell_and_cut', nulls_distinct=False, violation_error_message='这一格这一天已有记录。')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='scoringrun',
            name='one_scoring_run_per_day',
        ),
        migrations.RenameModel(
            old_name='ScoringRun',
            new_name='DailyRun',
        ),
        migrations.AlterModelOptions(
            name='dailyrun',
            options={'verbose_name': '每日计算', 'verbose_name_plural': '每日计算'},
        ),
        migrations.AddField(
            model_name='dailyrun',
            name='kind',
            field=models.CharField(choices=[('scoring', '流失评分'), ('snapshots', '社群日快照'), ('values', '成员价值'), ('fitting', '模型训练'), ('checking', '预测核对'), ('statistics', '平台统计')], db_default='scoring', default='scoring', max_length=20, verbose_name='类型'),
        ),
        migrations.AddField(
            model_name='dailyrun',
            name='notes',
            field=models.JSONField(blank=True, db_default={}, default=dict, verbose_name='说明'),
        ),
        migrations.AlterField(
            model_name='dailyrun',
            name='day',
            field=models.DateField(verbose_name='日期'),
        ),
        migrations.AlterField(
            model_name='dailyrun',
            name='enterprise',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='daily_runs', to='accounts.enterprise', verbose_name='企业'),
        ),
        migrations.AddConstraint(
            model_name='dailyrun',
            constraint=models.UniqueConstraint(fields=('enterprise', 'kind', 'day'), name='one_daily_run_of_a_kind', violation_error_message='这一天已有这种计算的记录。'),
        ),
        migrations.AddConstraint(
            model_name='dailyrun',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['scoring', 'snapshots', 'values', 'fitting', 'checking', 'statistics'])), name='daily_run_kind_is_known', violation_error_message='未知的计算类型。'),
        ),
        migrations.RemoveConstraint(
            model_name='activitycoverage',
            name='one_coverage_per_source',
        ),
        migrations.RemoveConstraint(
            model_name='importrun',
            name='import_kind_is_known',
        ),
        migrations.AddField(
            model_name='activityevent',
            name='staff',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.staff', verbose_name='员工'),
        ),
        migrations.AddField(
            model_name='importrun',
            name='attempt_count',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='importrun',
            name='failure',
            field=models.CharField(blank=True, db_default='', default='', max_length=300, verbose_name='中止原因'),
        ),
        migrations.AddField(
            model_name='importrun',
            name='format',
            field=models.CharField(choices=[('csv', 'CSV'), ('xlsx', 'Excel'), ('jsonl', 'JSON 行')], db_default='csv', default='csv', max_length=10, verbose_name='格式'),
        ),
        migrations.AddField(
            model_name='importrun',
            name='lease_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='importrun',
            name='options',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='importrun',
            name='requested_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='提交人'),
        ),
        migrations.AddField(
            model_name='importrun',
            name='spans',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='importrun',
            name='total_size',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='memberday',
            name='hours',
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='memberday',
            name='threads',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), db_default=[], default=list, editable=False),
        ),
        migrations.AlterField(
            model_name='activityevent',
            name='member',
            field=models.ForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='成员'),
        ),
        migrations.AlterField(
            model_name='churnscore',
            name='model_version',
            field=models.CharField(max_length=60, verbose_name='模型版本'),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='kind',
            field=models.CharField(choices=[('members', '成员'), ('memberships', '在群历史'), ('activity', '活跃'), ('purchases', '订单'), ('classifications', '分类')], max_length=20, verbose_name='类型'),
        ),
        migrations.AddConstraint(
            model_name='activitycoverage',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(deferrable=django.db.models.constraints.Deferrable['IMMEDIATE'], expressions=[('community', '='), ('source', '='), (communities.models.ownership.TimeRange('covered_from', 'covered_to', django.contrib.postgres.fields.ranges.RangeBoundary(inclusive_upper=True)), '&&')], name='coverage_periods_are_disjoint', violation_error_message='同一来源的覆盖时段不能重叠。'),
        ),
        migrations.AddConstraint(
            model_name='activityevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('member__isnull', False), ('staff__isnull', True)), models.Q(('member__isnull', True), ('staff__isnull', False)), _connector='OR'), name='activity_is_of_one_person', violation_error_message='一条活跃只能属于一位成员或一位员工。'),
        ),
        migrations.AddConstraint(
            model_name='importrun',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['members', 'memberships', 'activity', 'purchases', 'classifications'])), name='import_kind_is_known', violation_error_message='未知的导入类型。'),
        ),
        migrations.AddConstraint(
            model_name='importrun',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['csv', 'xlsx', 'jsonl'])), name='import_format_is_known', violation_error_message='未知的文件格式。'),
        ),
    ]
