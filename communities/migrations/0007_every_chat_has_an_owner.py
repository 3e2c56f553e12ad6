from django.db import migrations

# Chats from before have belonged, as far as is known, to their present owner from the beginning.
BACKFILL = """
INSERT INTO communities_ownershipperiod
    (enterprise_id, chat_id, staff_id, userid, began_at, began_confidence, seen_at, ended_at, cause)
SELECT chat.enterprise_id, chat.id, chat.owner_id, chat.owner_userid,
       least(coalesce(chat.founded_at, chat.created_at), chat.dissolved_at),
       'inferred', chat.read_at,
       CASE WHEN chat.state = 'dissolved'
            THEN coalesce(chat.dissolved_at, statement_timestamp()) END,
       CASE WHEN chat.read_at IS NOT NULL THEN 'first_seen'
            WHEN chat.owner_id IS NOT NULL THEN 'registered' ELSE 'unread' END
FROM communities_groupchat chat;
"""

class Migration(migrations.Migration):
    dependencies = [("communities", "0006_ownership_and_transfers")]

    operations = [
        migrations.RunSQL(BACKFILL, "DELETE FROM communities_ownershipperiod"),
    ]
