import django.db.models.deletion
import django.db.models.functions.datetime
import scrm.shared.crypto
from django.conf import settings
from django.db import migrations, models

CREATE_EVENTS = """
CREATE SEQUENCE members_activityevent_id_seq;
CREATE TABLE members_activityevent (
    id bigint NOT NULL DEFAULT nextval('members_activityevent_id_seq'),
    enterprise_id bigint NOT NULL,
    community_id bigint NOT NULL,
    member_id bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    kind varchar(20) NOT NULL,
    source varchar(40) NOT NULL,
    dedupe_key varchar(128) NOT NULL,
    thread varchar(128) NOT NULL DEFAULT '',
    PRIMARY KEY (enterprise_id, occurred_at, id)
) PARTITION BY RANGE (occurred_at);
ALTER SEQUENCE members_activityevent_id_seq OWNED BY members_activityevent.id;
CREATE INDEX events_to_recount ON members_activityevent (community_id, member_id, occurred_at);
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('communities', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ActivityKey',
            fields=[
                ('digest', models.UUIDField(primary_key=True, serialize=False)),
            ],
            options={
                'verbose_name': '活跃去重键',
                'verbose_name_plural': '活跃去重键',
            },
        ),
        migrations.CreateModel(
            name='Member',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(help_text='企业自己系统里的客户编号；导入和接口用它指这个人。', max_length=128, verbose_name='客户编号')),
                ('nickname', models.CharField(max_length=120, verbose_name='昵称')),
                ('phone', scrm.shared.crypto.EncryptedTextField(blank=True, default='', verbose_name='手机号')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='建档时间')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='members', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '成员',
                'verbose_name_plural': '成员',
            },
        ),
        migrations.CreateModel(
            name='ChurnScore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('probability', models.FloatField(verbose_name='流失概率')),
                ('band', models.CharField(choices=[('low', '低'), ('medium', '中'), ('high', '高')], max_length=10, verbose_name='风险')),
                ('reasons', models.JSONField(default=list, help_text='推高风险最多的几项：代码、数值、对结果的影响。', verbose_name='原因')),
                ('last_active_on', models.DateField(blank=True, null=True, verbose_name='最近活跃日')),
                ('scored_on', models.DateField(verbose_name='评分日')),
                ('model_version', models.CharField(max_length=40, verbose_name='模型版本')),
                ('community', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='churn_scores', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '流失评分',
                'verbose_name_plural': '流失评分',
            },
        ),
        # Partitioned by month, which the ORM cannot say. There is no default partition: rows of a
        # month without one would have to be moved out of it later, under an exclusive lock.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='ActivityEvent',
                    fields=[
                        ('id', models.BigAutoField(primary_key=True, serialize=False)),
                        ('kind', models.CharField(choices=[('message', '发言'), ('post', '发帖'), ('comment', '评论'), ('like', '点赞'), ('share', '转发'), ('click', '点击'), ('checkin', '打卡'), ('submission', '提交作业'), ('review', '点评'), ('attendance', '参加活动'), ('red_packet', '领红包')], max_length=20, verbose_name='类型')),
                        ('source', models.CharField(max_length=40, verbose_name='数据来源')),
                        ('dedupe_key', models.CharField(max_length=128, verbose_name='去重键')),
                        ('thread', models.CharField(blank=True, default='', help_text='属于哪个话题或帖子。', max_length=128, verbose_name='话题')),
                        ('occurred_at', models.DateTimeField(verbose_name='发生时间')),
                        ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='收到时间')),
                        ('community', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                        ('enterprise', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                        ('member', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='成员')),
                    ],
                    options={
                        'verbose_name': '活跃事件',
                        'verbose_name_plural': '活跃事件',
                        'indexes': [models.Index(fields=['community', 'member', 'occurred_at'], name='events_to_recount')],
                    },
                ),
            ],
            database_operations=[
                migrations.RunSQL(CREATE_EVENTS, 'DROP TABLE members_activityevent'),
            ],
        ),
        migrations.CreateModel(
            name='MemberDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='日期')),
                ('message_count', models.PositiveIntegerField(default=0, verbose_name='发言')),
                ('post_count', models.PositiveIntegerField(default=0, verbose_name='发帖')),
                ('comment_count', models.PositiveIntegerField(default=0, verbose_name='评论')),
                ('checkin_count', models.PositiveIntegerField(default=0, verbose_name='打卡')),
                ('click_count', models.PositiveIntegerField(default=0, verbose_name='点击')),
                ('other_count', models.PositiveIntegerField(default=0, verbose_name='其他互动')),
                ('thread_count', models.PositiveIntegerField(default=0, help_text='参与了几个不同话题；没有话题信息的合计为一个。', verbose_name='话题数')),
                ('community', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='days', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '成员日活跃',
                'verbose_name_plural': '成员日活跃',
            },
        ),
        migrations.CreateModel(
            name='MemberIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('external_userid', '企业微信客户 ID'), ('unionid', '微信 unionid'), ('openid', '小程序 openid'), ('phone', '手机号')], max_length=20, verbose_name='类型')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '成员身份',
                'verbose_name_plural': '成员身份',
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('api', '接口'), ('admin', '后台'), ('import', '导入')], max_length=20, verbose_name='来源')),
                ('joined_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='加入时间')),
                ('left_at', models.DateTimeField(blank=True, null=True, verbose_name='离开时间')),
                ('leave_reason', models.CharField(blank=True, choices=[('self', '自己退出'), ('removed', '被移出'), ('dissolved', '群解散'), ('unknown', '未知')], default='', max_length=20, verbose_name='离开原因')),
                ('community', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='communities.community', verbose_name='社群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '社群成员',
                'verbose_name_plural': '社群成员',
            },
        ),
        migrations.CreateModel(
            name='EntryApplication',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('api', '接口'), ('admin', '后台'), ('import', '导入')], max_length=20, verbose_name='来源')),
                ('status', models.CharField(choices=[('in_review', '待审核'), ('approved', '已通过，等待空位'), ('joined', '已入群'), ('rejected', '未通过'), ('withdrawn', '已撤回')], max_length=20, verbose_name='状态')),
                ('clauses', models.JSONField(default=list, help_text='每个条件：要求、实际、是否满足、还差多少。', verbose_name='逐条结果')),
                ('reason', models.CharField(blank=True, default='', max_length=300, verbose_name='理由')),
                ('decided_at', models.DateTimeField(blank=True, null=True, verbose_name='决定时间')),
                ('submitted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='提交时间')),
                ('community', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='applications', to='communities.community', verbose_name='社群')),
                ('decided_by', models.ForeignKey(blank=True, help_text='空表示由规则自动决定。', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='决定人')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='communities.entrypolicy', verbose_name='准入规则')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='applications', to='members.member', verbose_name='成员')),
                ('membership', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='application', to='members.membership', verbose_name='社群成员')),
            ],
            options={
                'verbose_name': '入群申请',
                'verbose_name_plural': '入群申请',
            },
        ),
        migrations.CreateModel(
            name='Purchase',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=40, verbose_name='数据来源')),
                ('order_number', models.CharField(max_length=128, verbose_name='订单号')),
                ('paid_amount', models.BigIntegerField(verbose_name='实付（分）')),
                ('refunded_amount', models.BigIntegerField(default=0, verbose_name='已退（分）')),
                ('currency', models.CharField(default='CNY', max_length=3, verbose_name='币种')),
                ('paid_at', models.DateTimeField(verbose_name='支付时间')),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='收到时间')),
                ('enterprise', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='purchases', to='members.member', verbose_name='成员')),
            ],
            options={
                'verbose_name': '订单',
                'verbose_name_plural': '订单',
            },
        ),
        migrations.CreateModel(
            name='ScoringRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(verbose_name='评分日')),
                ('last_community_id', models.BigIntegerField(default=0, editable=False)),
                ('last_member_id', models.BigIntegerField(default=0, editable=False)),
                ('community_count', models.PositiveIntegerField(default=0, verbose_name='社群数')),
                ('member_count', models.PositiveBigIntegerField(default=0, verbose_name='成员数')),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='开始时间')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='完成时间')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scoring_runs', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '评分记录',
                'verbose_name_plural': '评分记录',
            },
        ),
        migrations.CreateModel(
            name='Stay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('observed_by', models.CharField(choices=[('event', '平台事件'), ('sync', '同步'), ('import', '导入'), ('product', '本系统')], max_length=20, verbose_name='观察方式')),
                ('joined_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='入群时间')),
                ('left_at', models.DateTimeField(blank=True, null=True, verbose_name='退群时间')),
                ('leave_reason', models.CharField(blank=True, choices=[('self', '自己退出'), ('removed', '被移出'), ('dissolved', '群解散'), ('unknown', '未知')], default='', max_length=20, verbose_name='退群原因')),
                ('chat', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stays', to='communities.groupchat', verbose_name='客户群')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.enterprise', verbose_name='企业')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stays', to='members.member', verbose_name='成员')),
                ('membership', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='stays', to='members.membership', verbose_name='社群成员')),
            ],
            options={
                'verbose_name': '在群时段',
                'verbose_name_plural': '在群时段',
            },
        ),
        migrations.CreateModel(
            name='ActivityCoverage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=40, verbose_name='数据来源')),
                ('covered_from', models.DateTimeField(verbose_name='起')),
                ('covered_to', models.DateTimeField(verbose_name='止')),
                ('community', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='coverage', to='communities.community', verbose_name='社群')),
            ],
            options={
                'verbose_name': '活跃数据覆盖',
                'verbose_name_plural': '活跃数据覆盖',
                'constraints': [models.UniqueConstraint(fields=('community', 'source'), name='one_coverage_per_source', violation_error_message='这个来源已有覆盖记录。'), models.CheckConstraint(condition=models.Q(('covered_to__gte', models.F('covered_from'))), name='coverage_ends_after_it_begins', violation_error_message='覆盖的结束不能早于开始。')],
            },
        ),
        migrations.CreateModel(
            name='ImportRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('members', '成员'), ('activity', '活跃'), ('purchases', '订单')], max_length=20, verbose_name='类型')),
                ('file_name', models.CharField(max_length=255, verbose_name='文件')),
                ('file_digest', models.CharField(max_length=64, verbose_name='文件指纹')),
                ('source', models.CharField(blank=True, default='', max_length=40, verbose_name='数据来源')),
                ('encoding', models.CharField(blank=True, default='', max_length=20, verbose_name='编码')),
                ('byte_position', models.PositiveBigIntegerField(default=0, editable=False)),
                ('rejects_size', models.PositiveBigIntegerField(default=0, editable=False)),
                ('line_count', models.PositiveBigIntegerField(default=0, verbose_name='已读行数')),
                ('accepted_count', models.PositiveBigIntegerField(default=0, verbose_name='新增')),
                ('updated_count', models.PositiveBigIntegerField(default=0, verbose_name='更新')),
                ('duplicate_count', models.PositiveBigIntegerField(default=0, verbose_name='重复')),
                ('rejected_count', models.PositiveBigIntegerField(default=0, verbose_name='拒绝')),
                ('rejects_file', models.CharField(blank=True, default='', max_length=1024, verbose_name='拒绝明细文件')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='开始时间')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='完成时间')),
                ('enterprise', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='import_runs', to='accounts.enterprise', verbose_name='企业')),
            ],
            options={
                'verbose_name': '导入记录',
                'verbose_name_plural': '导入记录',
                'constraints': [models.UniqueConstraint(fields=('enterprise', 'kind', 'source', 'file_digest'), name='one_import_run_per_file', violation_error_message='这个文件已有导入记录。'), models.CheckConstraint(condition=models.Q(('kind__in', ['members', 'activity', 'purchases'])), name='import_kind_is_known', violation_error_message='未知的导入类型。')],
            },
        ),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.UniqueConstraint(fields=('enterprise', 'external_id'), name='member_external_id_is_unique', violation_error_message='这个客户编号已存在。'),
        ),
        migrations.AddIndex(
            model_name='churnscore',
            index=models.Index(fields=['enterprise', '-probability', '-id'], name='most_at_risk_first'),
        ),
        migrations.AddConstraint(
            model_name='churnscore',
            constraint=models.UniqueConstraint(fields=('community', 'member'), name='one_score_per_member_and_community', violation_error_message='这位成员在这个社群已有评分。'),
        ),
        migrations.AddConstraint(
            model_name='churnscore',
            constraint=models.CheckConstraint(condition=models.Q(('probability__gte', 0), ('probability__lte', 1)), name='churn_probability_is_a_probability', violation_error_message='概率必须在 0 到 1 之间。'),
        ),
        migrations.AddConstraint(
            model_name='churnscore',
            constraint=models.CheckConstraint(condition=models.Q(('band__in', ['low', 'medium', 'high'])), name='churn_band_is_known', violation_error_message='未知的风险级别。'),
        ),
        migrations.AddIndex(
            model_name='memberday',
            index=models.Index(fields=['community', 'day'], name='days_of_community'),
        ),
        migrations.AddIndex(
            model_name='memberday',
            index=models.Index(fields=['enterprise', '-day', '-id'], name='days_newest_first'),
        ),
        migrations.AddConstraint(
            model_name='memberday',
            constraint=models.UniqueConstraint(fields=('member', 'community', 'day'), name='one_row_per_member_and_day', violation_error_message='这一天已有记录。'),
        ),
        migrations.AddConstraint(
            model_name='memberidentity',
            constraint=models.UniqueConstraint(fields=('enterprise', 'kind', 'digest'), name='identity_belongs_to_one_member', violation_error_message='这个身份已属于另一位成员。'),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('left_at', None)), fields=['community', 'member'], name='active_members_of_community'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(condition=models.Q(('left_at', None)), fields=('community', 'member'), name='one_active_membership', violation_error_code='already_member', violation_error_message='这位成员已在社群中。'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('left_at', None), ('left_at__gte', models.F('joined_at')), _connector='OR'), name='membership_ends_after_it_begins', violation_error_message='离开时间不能早于加入时间。'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('leave_reason', ''), ('left_at', None)), models.Q(('leave_reason__in', ['self', 'removed', 'dissolved', 'unknown']), ('left_at__isnull', False)), _connector='OR'), name='membership_end_has_a_reason', violation_error_message='离开必须有原因，未离开不能有原因。'),
        ),
        migrations.AddIndex(
            model_name='entryapplication',
            index=models.Index(fields=['status', 'submitted_at', 'id'], name='application_queue'),
        ),
        migrations.AddConstraint(
            model_name='entryapplication',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['approved', 'in_review'])), fields=('community', 'member'), name='one_open_application', violation_error_code='already_applied', violation_error_message='这位成员已有一个未结束的申请。'),
        ),
        migrations.AddConstraint(
            model_name='entryapplication',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['in_review', 'approved', 'joined', 'rejected', 'withdrawn'])), name='application_status_is_known', violation_error_message='未知的申请状态。'),
        ),
        migrations.AddConstraint(
            model_name='entryapplication',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'joined'), _negated=True), ('membership__isnull', False), _connector='OR'), name='joined_application_has_a_membership', violation_error_message='已入群的申请必须对应一条社群成员记录。'),
        ),
        migrations.AddIndex(
            model_name='purchase',
            index=models.Index(fields=['member', 'paid_at'], name='purchases_of_member'),
        ),
        migrations.AddIndex(
            model_name='purchase',
            index=models.Index(fields=['enterprise', '-paid_at', '-id'], name='purchases_newest_first'),
        ),
        migrations.AddConstraint(
            model_name='purchase',
            constraint=models.UniqueConstraint(fields=('enterprise', 'source', 'order_number'), name='order_number_is_unique', violation_error_message='这个订单号已存在。'),
        ),
        migrations.AddConstraint(
            model_name='purchase',
            constraint=models.CheckConstraint(condition=models.Q(('paid_amount__gte', 0), ('refunded_amount__gte', 0), ('refunded_amount__lte', models.F('paid_amount'))), name='refund_is_within_payment', violation_error_message='退款不能超过实付，金额不能为负。'),
        ),
        migrations.AddConstraint(
            model_name='scoringrun',
            constraint=models.UniqueConstraint(fields=('enterprise', 'day'), name='one_scoring_run_per_day', violation_error_message='这一天已有评分记录。'),
        ),
        migrations.AddConstraint(
            model_name='stay',
            constraint=models.UniqueConstraint(condition=models.Q(('left_at', None)), fields=('chat', 'member'), name='one_open_stay', violation_error_message='这位成员已在这个群里。'),
        ),
        migrations.AddConstraint(
            model_name='stay',
            constraint=models.CheckConstraint(condition=models.Q(('left_at', None), ('left_at__gte', models.F('joined_at')), _connector='OR'), name='stay_ends_after_it_begins', violation_error_message='退群时间不能早于入群时间。'),
        ),
    ]
