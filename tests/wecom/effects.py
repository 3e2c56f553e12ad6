"""A handler for worker processes of tests, whose effects can be counted.

The number of a read request says how often its callback had an effect.
"""

import os
import time

from django.apps import AppConfig


def count(connected, events):
    from scrm.wecom.services.reading import request_reads

    for event in events:
        request_reads(connected, "effect", [event["ChatId"]])
        if event["Deed"] == "raise":
            raise ValueError("poison")
        if event["Deed"] == "die":
            os._exit(9)
    time.sleep(0.0005 * len(events))


class EffectsConfig(AppConfig):
    name = "tests.wecom"
    label = "effects"

    def ready(self):
        from scrm.wecom.handlers import on_event

        on_event("effect", ["count"], count)
