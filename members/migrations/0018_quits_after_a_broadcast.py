from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('members', '0017_broadcasts'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='membership',
            index=models.Index(condition=models.Q(('leave_reason', 'self')), fields=['community', 'left_at'], include=['member'], name='quits_of_community'),
        ),
        AddIndexConcurrently(
            model_name='stay',
            index=models.Index(condition=models.Q(('leave_reason', 'self')), fields=['chat', 'left_at'], include=['member'], name='quits_of_chat'),
        ),
    ]
