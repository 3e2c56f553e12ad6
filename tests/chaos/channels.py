"""The webhook channel towards the ledger gateway, with small batches and short time-outs.

Those called twins are ones with one safety taken out: what the tests prove must fail with them.
"""

import os
import socket
import time
import uuid
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
from django.db import connection

from campaigns.channels.protocol import OutcomeUnknown, Receipt
from campaigns.channels.webhook import WebhookChannel, read_results
from campaigns.rules import templates
from campaigns.selectors import guards
from campaigns.services import claiming


class LedgerChannel(WebhookChannel):
    """The gateway honours keys."""

    batch_limit = 20
    call_timeout = 0.8


class LookUpChannel(LedgerChannel):
    """The gateway honours none, but can be asked."""

    honours_key = False

    def look_up(self, envelope):
        url = envelope.account.endpoint.replace("/send", "/look-up")
        try:
            response = httpx.get(url, params={"key": envelope.key}, timeout=self.call_timeout)
        except httpx.HTTPError as error:
            raise OutcomeUnknown("no_answer") from error
        return None if response.status_code == 404 else Receipt(read_results(response.json()))


class FreshKeyChannel(LedgerChannel):
    """Twin: a new key for every try."""

    def send(self, envelope):
        return super().send(replace(envelope, key=uuid.uuid4().hex))


class BlindChannel(LookUpChannel):
    """Twin: repeats without asking."""

    def look_up(self, envelope):
        return None


class MarkFirstChannel(LedgerChannel):
    """Twin: writes the results down before the call, as if they were known."""

    def send(self, envelope):
        dispatch = int(envelope.key.removeprefix("dispatch-"))
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH done AS (UPDATE campaigns_dispatch SET status = 'done', delivered_count ="
                " cardinality(recipient_ids) WHERE id = %s RETURNING run_id, recipient_ids)"
                " UPDATE campaigns_delivery delivery SET status = 'delivered' FROM done"
                " WHERE delivery.run_id = done.run_id"
                " AND delivery.recipient_id = ANY(done.recipient_ids)",
                [dispatch],
            )
        endpoint = urlsplit(envelope.account.endpoint)
        with socket.create_connection((endpoint.hostname, endpoint.port)):
            time.sleep(0.1)  # a slow handshake: the kill strikes before anything is handed over
        return super().send(envelope)


class HeedlessChannel(LedgerChannel):
    """Twin: claims go on after a pause."""

    def __init__(self):
        heeding = "broadcast.status = 'running' AND account.is_active"
        assert heeding in claiming.CLAIM
        claiming.CLAIM = claiming.CLAIM.replace(heeding, "account.is_active")


class ForgetfulChannel(LedgerChannel):
    """Twin: nobody is asked about consent any more."""

    def __init__(self):
        guards._consent_rule = lambda *_, **__: ""


class PoisonChannel(LedgerChannel):
    """Some names cannot be rendered, and some end the process."""

    def __init__(self):
        render = templates.Template.render

        def poisoned(template, values):
            name = values.get(templates.Variable.NICKNAME)
            if name == "raise":
                raise ValueError(name)
            if name == "die":
                os._exit(1)
            return render(template, values)

        templates.Template.render = poisoned
