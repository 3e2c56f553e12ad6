from django.db import migrations

# Exactly one open period of the present owner for each live chat, none for a dissolved one. Looked
# at when the transaction ends, so that a change of owner may close one and open the next.
GUARD = """
CREATE FUNCTION require_one_owner_of_each_chat() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint := CASE TG_TABLE_NAME WHEN 'communities_groupchat' THEN NEW.id
                     ELSE (to_jsonb(NEW) ->> 'chat_id')::bigint END;
    chat record;
    period record;
BEGIN
    SELECT state, owner_id INTO chat FROM communities_groupchat WHERE id = wanted;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT staff_id INTO period FROM communities_ownershipperiod
    WHERE chat_id = wanted AND ended_at IS NULL;
    IF FOUND IS NOT DISTINCT FROM (chat.state = 'dissolved')
       OR (FOUND AND period.staff_id IS DISTINCT FROM chat.owner_id) THEN
        RAISE EXCEPTION 'chat % is % and its owner is %, which its ownership periods do not say',
            wanted, chat.state, chat.owner_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'each_chat_has_one_owner';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER new_chat_has_one_owner
    AFTER INSERT ON communities_groupchat
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_one_owner_of_each_chat();
CREATE CONSTRAINT TRIGGER chat_has_one_owner
    AFTER UPDATE ON communities_groupchat
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id
          OR (OLD.state = 'dissolved') <> (NEW.state = 'dissolved'))
    EXECUTE FUNCTION require_one_owner_of_each_chat();
CREATE CONSTRAINT TRIGGER ownership_period_fits_its_chat
    AFTER INSERT OR UPDATE OF staff_id, ended_at ON communities_ownershipperiod
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_one_owner_of_each_chat();
"""

UNDO = """
DROP TRIGGER ownership_period_fits_its_chat ON communities_ownershipperiod;
DROP TRIGGER chat_has_one_owner ON communities_groupchat;
DROP TRIGGER new_chat_has_one_owner ON communities_groupchat;
DROP FUNCTION require_one_owner_of_each_chat();
"""


class Migration(migrations.Migration):
    dependencies = [("communities", "0007_every_chat_has_an_owner")]

    operations = [migrations.RunSQL(GUARD, UNDO)]
