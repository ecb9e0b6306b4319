// Receives upload events with Express.
//
//   npm ci
//   WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 node server.mjs
//
// It listens on loopback: what stands in front of it ends TLS.
import { linkSync, mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import express from "express";
import { Webhook } from "standardwebhooks";

// Several secrets during a rotation. None at all must not mean "believe all".
const secrets = (process.env.WEBHOOK_SECRETS ?? "").split(",").map((s) => s.trim().replace(/^whsec_/, "")).filter(Boolean);
if (secrets.length === 0) throw new Error("WEBHOOK_SECRETS is empty");
const webhooks = secrets.map((secret) => new Webhook(secret));

// verifies compares in constant time and refuses what is more than five minutes
// old or early, so that a recorded request cannot be sent again later.
function verifies(body, headers) {
  return webhooks.some((webhook) => {
    try {
      webhook.verify(body, headers);
      return true;
    } catch {
      return false;
    }
  });
}

// takeOnce stores an event and reports whether it is new. Delivery is at least
// once. link fails if the name is there, whoever else stores it at this moment.
// With a database it is, in one transaction with the work that the event causes:
//
//   CREATE TABLE events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)
//   INSERT INTO events VALUES ($1, $2) ON CONFLICT DO NOTHING  -- 1 row: it is new
mkdirSync("events", { recursive: true });
function takeOnce(id, body) {
  const temporary = `events/.${randomUUID()}`;
  writeFileSync(temporary, body, { flush: true });
  try {
    linkSync(temporary, `events/${encodeURIComponent(id)}.json`);
    return true;
  } catch (e) {
    if (e.code === "EEXIST") return false;
    throw e;
  } finally {
    unlinkSync(temporary);
  }
}

const app = express();
// The signature covers the bytes as they came: express.json() would lose them.
const raw = express.raw({ type: () => true, limit: "256kb", inflate: false });
app.post("/webhook", raw, (req, res) => {
  if (!Buffer.isBuffer(req.body) || !verifies(req.body, req.headers)) return res.sendStatus(400);
  const id = req.get("webhook-id");
  if (takeOnce(id, req.body)) {
    const { type, data } = JSON.parse(req.body);
    console.log(`took ${id}: ${type} ${data.key}`);
  }
  // A known event is answered like a new one, or it would be sent again.
  res.sendStatus(204);
});
app.listen(process.env.PORT, "127.0.0.1");
