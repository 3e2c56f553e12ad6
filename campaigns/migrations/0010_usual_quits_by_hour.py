import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0009_watches_of_quits'),
    ]

    operations = [
        migrations.AddField(
            model_name='quitwatch',
            name='usual_by_hour',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), blank=True, db_default=models.Value([]), default=list, help_text='从开始送达的钟点起 24 个小时，之前 14 天平均。', verbose_name='平时每小时的退出率'),
        ),
    ]
