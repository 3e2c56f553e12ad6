from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('members', '0007_reviews_and_deadlines'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='membership',
            index=models.Index(condition=models.Q(('left_at', None)), fields=['community', 'qualified_at', 'id'], name='requalification_queue'),
        ),
    ]
