from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("members", "0012_index_stays_of_join_ways"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="memberday",
            index=BrinIndex(
                autosummarize=True, fields=["day"], name="days_of_window", pages_per_range=32
            ),
        ),
    ]
