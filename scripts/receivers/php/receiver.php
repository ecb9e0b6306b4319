<?php
// Receives upload events, as the script of any web server. Needs PHP 8 and its
// pdo_sqlite extension. To try it:
//
//   WEBHOOK_SECRETS=whsec_…,whsec_… php -S 127.0.0.1:8080 receiver.php

const TOLERANCE = 5 * 60; // seconds
const MAX_BODY = 256 * 1024;

/** The keys, several during a rotation. None at all must not mean "believe all". */
function keys(): array
{
    $keys = [];
    foreach (array_filter(array_map('trim', explode(',', (string) getenv('WEBHOOK_SECRETS')))) as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        if ($key === false || $key === '') {
            throw new RuntimeException('a secret of WEBHOOK_SECRETS is not whsec_ and base64');
        }
        $keys[] = $key;
    }
    return $keys ?: throw new RuntimeException('WEBHOOK_SECRETS is empty');
}

/** Reports whether one of the signatures was made with one of the keys, just now. */
function verifies(array $keys, string $id, string $timestamp, string $signatures, string $body): bool
{
    // Without the limit a recorded request could be sent again years later.
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    foreach ($keys as $key) {
        $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (explode(' ', $signatures) as $signature) {
            // In constant time: === tells by its duration how much was right.
            if (hash_equals($want, $signature)) {
                return true;
            }
        }
    }
    return false;
}

/**
 * Stores an event and does its work, and reports whether it was new: delivery is
 * at least once. Both happen in one transaction, so that whenever the process
 * ends, it is both or neither.
 */
function takeOnce(string $id, string $body): bool
{
    $db = new PDO('sqlite:' . dirname(__DIR__) . '/events.db'); // not in the web root
    $db->exec('CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)');
    $db->exec('CREATE TABLE IF NOT EXISTS uploads (event_id TEXT NOT NULL, object_key TEXT NOT NULL, size INTEGER)');
    $db->beginTransaction();
    $insert = $db->prepare('INSERT OR IGNORE INTO events (event_id, body) VALUES (?, ?)');
    $insert->execute([$id, $body]);
    $isNew = $insert->rowCount() === 1;
    if ($isNew) {
        work($db, $id, json_decode($body, true, flags: JSON_THROW_ON_ERROR));
    }
    $db->commit();
    return $isNew;
}

/** The work of your application. Types that it does not know it ignores. */
function work(PDO $db, string $id, array $event): void
{
    if ($event['type'] === 'upload.completed') {
        $db->prepare('INSERT INTO uploads (event_id, object_key, size) VALUES (?, ?, ?)')
            ->execute([$id, $event['data']['key'], $event['data']['size'] ?? null]);
    }
}

/** Returns the status of the answer. An exception becomes a 500, and the event is sent again. */
function receive(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    // The bytes as they came, and one more than there may be.
    $body = file_get_contents('php://input', length: MAX_BODY + 1);
    if (strlen($body) > MAX_BODY) {
        return 413;
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';
    if (!verifies(keys(), $id, $timestamp, $signatures, $body)) {
        return 400;
    }
    if (takeOnce($id, $body)) {
        $event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        error_log("took $id: {$event['type']} {$event['data']['key']}");
    }
    // A known event is answered like a new one, or it would be sent again.
    return 204;
}

http_response_code(500); // unless it comes to another
ini_set('display_errors', '0');
http_response_code(receive());
