from django.db import migrations

# Statement triggers, so that even a statement that touches no row is refused and noticed.
APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit events are append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_events_are_append_only
    BEFORE UPDATE OR DELETE ON accounts_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit_events();
CREATE TRIGGER audit_events_are_not_truncated
    BEFORE TRUNCATE ON accounts_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit_events();
"""

UNDO = """
DROP TRIGGER audit_events_are_not_truncated ON accounts_auditevent;
DROP TRIGGER audit_events_are_append_only ON accounts_auditevent;
DROP FUNCTION refuse_to_change_audit_events();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
