"""The part of members' cases that is about files handed in."""

import base64

from members.models import ImportRejection
from tests.isolation import Call


def build(world):
    ImportRejection.objects.create(
        run=world.rows["import run"],
        position=0,
        line=2,
        code="unknown_member",
        detail=f"{world.mark}说明",
        raw=f"{world.mark}原文",
    )


def upload(world):
    content = b"member,community,kind,occurred_at,dedupe_key\n"
    return {
        "kind": "activity",
        "source": "export",
        "file_name": "events.csv",
        "content": base64.b64encode(content).decode(),
    }


API = {
    "import-run-list": {"get": Call(), "post": Call(body=upload, answers=(202,))},
    "import-run-detail": {"get": Call(row="import run")},
    "import-run-rejections": {"get": Call(row="import run")},
}
