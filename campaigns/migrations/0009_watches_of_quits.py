from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0008_broadcasts'),
    ]

    operations = [
        migrations.AddField(
            model_name='quitwatch',
            name='baseline_days',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='14 天里没有别的群发的日子。', verbose_name='平时看了几天'),
        ),
        migrations.AddField(
            model_name='quitwatch',
            name='began_at',
            field=models.DateTimeField(blank=True, help_text='平时的退出率看之前 14 天的同一时段。', null=True, verbose_name='开始送达'),
        ),
        migrations.AddField(
            model_name='quitwatch',
            name='population',
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text='之前 14 天平均有多少人在这些社群（或群）里；开始送达时数一次。', verbose_name='平时在群人数'),
        ),
        migrations.AddIndex(
            model_name='quitwatch',
            index=models.Index(condition=models.Q(('state', 'watching')), fields=['checked_at'], name='open_quit_watches'),
        ),
        migrations.AddIndex(
            model_name='runreport',
            index=models.Index(condition=models.Q(('is_final', False)), fields=['computed_at'], name='unfinished_reports'),
        ),
    ]
