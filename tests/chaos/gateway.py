"""A platform in a process of its own, with its own ledger: what it did, to whom, how often.

Loss and repetition are judged here and never by what our rows say. It speaks the protocol of the
webhook channel. ``honours_key``: a key seen before is answered with what happened then. Faults are
drawn from a seeded generator, so a run can be repeated.
"""

import base64
import hashlib
import hmac
import json
import random
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECRET = "ledger-secret"


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.in_hand = set()
        self.reset({})

    def reset(self, wishes):
        with self.lock:
            self.honours_key = wishes.get("honours_key", True)
            self.delay = wishes.get("delay", 0.0)
            self.faults = wishes.get("faults", {})  # drop, error, limit: probabilities
            self.chance = random.Random(wishes.get("seed", 0))
            self.effects = Counter()
            self.answers = {}
            self.stats = Counter()
            self.bodies = {}
            self.started = []
            self.called_at = {}

    def fault(self):
        with self.lock:
            draw = self.chance.random()
        for name, probability in self.faults.items():
            if draw < probability:
                return name
            draw -= probability
        return None

    def take(self, key, messages):
        """The effect, once per key where keys are honoured."""
        with self.lock:
            if self.honours_key and key in self.answers:
                self.stats["replayed"] += 1
                return self.answers[key]
            results = []
            for message in messages:
                self.effects[message["recipient"]] += 1
                self.called_at[message["recipient"]] = time.time()
                self.bodies[message["recipient"]] = message["body"]
                results.append({"recipient": message["recipient"], "status": "delivered"})
            self.answers[key] = results
            return results

    @contextmanager
    def holding(self, port):
        """While the caller at this port cannot know what becomes of its call."""
        with self.lock:
            self.in_hand.add(port)
        yield
        with self.lock:
            self.in_hand.discard(port)

    def seen(self, key):
        with self.lock:
            self.stats["looked_up"] += 1
            return self.answers.get(key)

    def page(self):
        with self.lock:
            return {
                "effects": dict(self.effects),
                "stats": dict(self.stats),
                "bodies": dict(self.bodies),
                "started": list(self.started),
                "called_at": dict(self.called_at),
                "in_hand": list(self.in_hand),
            }


LEDGER = Ledger()


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/look-up":
            results = LEDGER.seen(parse_qs(url.query)["key"][0])
            self.answer(404 if results is None else 200, {"results": results})
        else:
            self.answer(200, LEDGER.page())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/reset":
            LEDGER.reset(json.loads(body))
            self.answer(200, {})
            return
        self.send_messages(body)

    def send_messages(self, body):
        LEDGER.stats["posted"] += 1
        LEDGER.started.append(time.time())
        if not is_signed(self.headers, body):
            LEDGER.stats["unsigned"] += 1
            self.answer(401, {})
            return
        fault = LEDGER.fault()
        if fault:
            LEDGER.stats[fault] += 1
        if fault == "error":
            self.answer(503, {})
            return
        if fault == "limit":
            self.answer(429, {}, {"Retry-After": "1"})
            return
        document = json.loads(body)
        with LEDGER.holding(self.client_address[1]):
            time.sleep(LEDGER.delay / 2)
            results = LEDGER.take(self.headers["Idempotency-Key"], document["messages"])
            time.sleep(LEDGER.delay / 2)
        if fault == "drop":  # it was done, and nobody is told
            self.close_connection = True
            return
        self.answer(200, {"results": results})

    def answer(self, status, document, headers=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except BrokenPipeError:
            LEDGER.stats["caller_gone"] += 1

    def log_message(self, *_):
        pass


def is_signed(headers, body):
    signed = b"%s.%s.%s" % (
        headers["webhook-id"].encode(),
        headers["webhook-timestamp"].encode(),
        body,
    )
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}"
    return hmac.compare_digest(expected, headers["webhook-signature"])


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.close()
    server.serve_forever()
