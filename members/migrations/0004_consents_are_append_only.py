from django.db import migrations, models

# Statement triggers, so that even a statement that touches no row is refused and noticed.
APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_consents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'consents are append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER consents_are_append_only
    BEFORE UPDATE OR DELETE ON members_consent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_consents();
CREATE TRIGGER consents_are_not_truncated
    BEFORE TRUNCATE ON members_consent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_consents();
"""

UNDO = """
DROP TRIGGER consents_are_not_truncated ON members_consent;
DROP TRIGGER consents_are_append_only ON members_consent;
DROP FUNCTION refuse_to_change_consents();
"""


class Migration(migrations.Migration):
    dependencies = [("members", "0003_photos_may_prove_the_same")]

    operations = [
        migrations.RunSQL(APPEND_ONLY, UNDO),
        migrations.AddIndex(
            model_name="memberclassification",
            index=models.Index(
                condition=models.Q(("ended_at", None), ("expires_at__isnull", False)),
                fields=["expires_at"],
                name="classifications_that_expire",
            ),
        ),
    ]
