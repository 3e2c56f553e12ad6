from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0009_deadlines_of_those_who_wait'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='evidence',
            constraint=models.UniqueConstraint(fields=('photo',), name='photo_file_has_one_row', violation_error_message='这个照片文件已有记录。'),
        ),
    ]
