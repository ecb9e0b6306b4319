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
    """Stores an event and does its work, and reports whether it was new: delivery is at least once.

    Both happen in one transaction, so that whenever the process ends, it is
    both or neither.
    """
    with database() as db, db:
        insert = "INSERT OR IGNORE INTO events (event_id, body) VALUES (?, ?)"
        is_new = db.execute(insert, (message_id, body.decode())).rowcount == 1
        if is_new:
            work(db, message_id, json.loads(body))
        return is_new


def work(db, message_id, event):
    """The work of your application. Types that it does not know it ignores."""
    if event["type"] == "upload.completed":
        upload = (message_id, event["data"]["key"], event["data"].get("size"))
        db.execute("INSERT INTO uploads (event_id, object_key, size) VALUES (?, ?, ?)", upload)


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
            return self.answer(400)
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
    db.execute("CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)")
    db.execute("CREATE TABLE IF NOT EXISTS uploads (event_id TEXT NOT NULL, object_key TEXT NOT NULL, size INTEGER)")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
