"""A delivery is written twice: planned, then settled. With half of each page free the second write
finds room beside the first (a HOT update), which no index has to follow. The recipients of a
dispatch never change and hardly compress."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE campaigns_delivery SET (fillfactor = 50)",
            "ALTER TABLE campaigns_delivery RESET (fillfactor)",
        ),
        migrations.RunSQL(
            "ALTER TABLE campaigns_dispatch ALTER COLUMN recipient_ids SET STORAGE EXTERNAL",
            "ALTER TABLE campaigns_dispatch ALTER COLUMN recipient_ids SET STORAGE EXTENDED",
        ),
    ]
