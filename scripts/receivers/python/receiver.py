"""Receives upload events, with nothing but Python 3.9 or later.

    WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 python3 receiver.py

It listens on loopback: what stands in front of it ends TLS.
"""

import base64
import contextlib
import hmac
import http.server
import json
import os
import re
import sqlite3
import time

TOLERANCE = 5 * 60  # seconds
MAX_BODY = 256 * 1024

# Several secrets during a rotation. None at all must not mean "believe all".
SECRETS = [
    base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    for secret in os.environ.get("WEBHOOK_SECRETS", "").split(",")
    if secret.strip()
]
if not SECRETS or not all(SECRETS):
    raise SystemExit("WEBHOOK_SECRETS is empty")


def verifies(message_id, timestamp, signatures, body):
    """Reports whether one of the signatures was made with one of the secrets, just now.

    All arguments are bytes: the signature covers the body as it came, not what
    a parser makes of it.
    """
    # Without the limit a recorded request could be sent again years later.
    if not re.fullmatch(rb"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    signed = b".".join((message_id, timestamp, body))
    for secret in SECRETS:
        want = b"v1," + base64.b64encode(hmac.digest(secret, signed, "sha256"))
        # In constant time: == tells by its duration how much was right.
        if any(hmac.compare_digest(want, signature) for signature in signatures.split(b" ")):
            return True
    return False


def database():
    return contextlib.closing(sqlite3.connect("events.db"))


def take_once(message_id, body):
    """Stores an event and reports whether it is new: delivery is at least once.

    In your application the work that an event causes belongs in this
    transaction.
    """
    with database() as db, db:
        return db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (message_id, body)).rowcount == 1


class Receiver(http.server.BaseHTTPRequestHandler):
    timeout = 10  # seconds of silence

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if self.path != "/webhook":
            return self.answer(404)
        if not re.fullmatch("[0-9]{1,9}", length):
            return self.answer(411)
        if int(length) > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        # http.server decodes headers as Latin-1, so this is what was sent.
        message_id, timestamp, signatures = (
            self.headers.get(name, "").encode("latin-1")
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        )
        if not verifies(message_id, timestamp, signatures, body):
            return self.answer(401)
        message_id = message_id.decode("latin-1")
        if take_once(message_id, body):
            event = json.loads(body)
            print(f"took {message_id}: {event['type']} {event['data']['key']}", flush=True)
        # A known event is answered like a new one, or it would be sent again.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


with database() as db, db:
    db.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB NOT NULL)")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
