from datetime import timedelta

from django.db import migrations, models
from django.db.models.functions import Now


def give_deadlines(apps, schema_editor):
    """Those who waited before there were deadlines get the ones that a new policy would give."""
    applications = apps.get_model('members', 'EntryApplication').objects.filter
    applications(status='in_review', review_due_at=None).update(
        review_due_at=models.F('submitted_at') + timedelta(hours=24)
    )
    applications(status='approved', expires_at=None).update(
        expires_at=Now() + timedelta(days=30)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0008_requalification_queue'),
    ]

    operations = [
        migrations.RunPython(give_deadlines, migrations.RunPython.noop, elidable=True),
    ]
