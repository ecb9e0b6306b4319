# Receives upload events. Needs Ruby 3 and the gems webrick and sqlite3.
#
#   gem install webrick sqlite3
#   WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 ruby receiver.rb
#
# It listens on loopback: what stands in front of it ends TLS.

require "json"
require "openssl"
require "sqlite3"
require "webrick"

TOLERANCE = 5 * 60 # seconds
MAX_BODY = 256 * 1024

# Several secrets during a rotation. None at all must not mean "believe all".
SECRETS = ENV.fetch("WEBHOOK_SECRETS", "").split(",")
             .map { |secret| secret.strip.delete_prefix("whsec_") }
             .reject(&:empty?)
             .map { |secret| secret.unpack1("m0") }
abort "WEBHOOK_SECRETS is empty" if SECRETS.empty?

# Reports whether one of the signatures was made with one of the secrets, just
# now. All are bytes: the signature covers the body as it came, not what a
# parser makes of it.
def verifies?(id, timestamp, signatures, body)
  # Without the limit a recorded request could be sent again years later.
  return false unless timestamp.match?(/\A[0-9]{1,12}\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE

  signed = [id, timestamp, body].map(&:b).join(".")
  SECRETS.any? do |secret|
    want = "v1," + [OpenSSL::HMAC.digest("SHA256", secret, signed)].pack("m0")
    # In constant time: == tells by its duration how much was right.
    signatures.split(" ").any? { |signature| OpenSSL.secure_compare(want, signature) }
  end
end

def database
  db = SQLite3::Database.new("events.db")
  # Not busy_timeout: while that waits no thread of the process runs, not even the
  # one that has the lock.
  db.busy_handler { |tries| sleep(0.01) && tries < 500 }
  yield db
ensure
  db&.close
end

# Stores an event and does its work, and reports whether it was new: delivery is
# at least once. Both happen in one transaction, so that whenever the process
# ends, it is both or neither.
def take_once(id, body)
  database do |db|
    db.transaction(:immediate)
    db.execute("INSERT OR IGNORE INTO events (event_id, body) VALUES (?, ?)", [id, body])
    is_new = db.changes == 1
    work(db, id, JSON.parse(body)) if is_new
    db.commit
    is_new
  end
end

# The work of your application. Types that it does not know it ignores.
def work(db, id, event)
  return unless event["type"] == "upload.completed"

  db.execute("INSERT INTO uploads (event_id, object_key, size) VALUES (?, ?, ?)", [id, *event["data"].values_at("key", "size")])
end

# Returns the status of the answer.
def receive(request)
  return 405 unless request.request_method == "POST"
  return 413 if request["content-length"].to_i > MAX_BODY

  body = request.body.to_s
  return 413 if body.bytesize > MAX_BODY

  id, timestamp, signatures = %w[webhook-id webhook-timestamp webhook-signature].map { |name| request[name].to_s }
  return 400 unless verifies?(id, timestamp, signatures, body)

  id, body = [id, body].map { |bytes| bytes.dup.force_encoding("UTF-8") }
  if take_once(id, body)
    event = JSON.parse(body)
    puts "took #{id}: #{event["type"]} #{event["data"]["key"]}"
  end
  # A known event is answered like a new one, or it would be sent again.
  204
end

$stdout.sync = true
database do |db|
  db.execute("CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)")
  db.execute("CREATE TABLE IF NOT EXISTS uploads (event_id TEXT NOT NULL, object_key TEXT NOT NULL, size INTEGER)")
end
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: ENV.fetch("PORT").to_i, AccessLog: [])
server.mount_proc("/webhook") { |request, response| response.status = receive(request) }
server.start
