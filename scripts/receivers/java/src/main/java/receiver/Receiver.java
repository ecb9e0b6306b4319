package receiver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.Map;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

/**
 * Receives upload events with Spring Boot:
 *
 * <pre>WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 mvn spring-boot:run</pre>
 *
 * It listens on loopback: what stands in front of it ends TLS.
 */
@SpringBootApplication
@RestController
public class Receiver {
    private static final int MAX_BODY = 256 * 1024;

    private final Verifier verifier = new Verifier(System.getenv().getOrDefault("WEBHOOK_SECRETS", ""));
    private final ObjectMapper json = new ObjectMapper();
    private final JdbcTemplate db;
    private final TransactionTemplate transaction;

    Receiver(JdbcTemplate db, TransactionTemplate transaction) {
        this.db = db;
        this.transaction = transaction;
        db.execute("CREATE TABLE IF NOT EXISTS events (event_id VARCHAR(255) PRIMARY KEY, body BLOB NOT NULL)");
        db.execute("CREATE TABLE IF NOT EXISTS uploads "
                + "(event_id VARCHAR(255) NOT NULL, object_key VARCHAR(1023) NOT NULL, size BIGINT)");
    }

    public static void main(String[] args) {
        SpringApplication application = new SpringApplication(Receiver.class);
        application.setDefaultProperties(Map.of(
                "server.address", "127.0.0.1",
                "server.port", System.getenv("PORT"),
                "spring.datasource.url", "jdbc:h2:file:./events"));
        application.run(args);
    }

    /**
     * The stream is the body as it came, which is what the signature covers; a
     * parameter of a type of your own would be a parser's idea of it.
     */
    @PostMapping("/webhook")
    ResponseEntity<Void> receive(
            @RequestHeader(name = "webhook-id", defaultValue = "") String id,
            @RequestHeader(name = "webhook-timestamp", defaultValue = "") String timestamp,
            @RequestHeader(name = "webhook-signature", defaultValue = "") String signatures,
            InputStream in) throws IOException {
        byte[] body = in.readNBytes(MAX_BODY + 1);
        if (body.length > MAX_BODY) {
            return ResponseEntity.status(HttpStatus.PAYLOAD_TOO_LARGE).build();
        }
        if (!verifier.verifies(id, timestamp, signatures, body, Instant.now())) {
            return ResponseEntity.status(HttpStatus.BAD_REQUEST).build();
        }
        JsonNode event = json.readTree(body);
        if (takeOnce(id, body, event)) {
            LoggerFactory.getLogger(Receiver.class)
                    .info("took {}: {} {}", id, event.path("type").asText(), event.at("/data/key").asText());
        }
        // A known event is answered like a new one, or it would be sent again.
        return ResponseEntity.noContent().build();
    }

    /**
     * Stores an event and does its work, and reports whether it was new:
     * delivery is at least once. Both happen in one transaction, so that
     * whenever the process ends, it is both or neither.
     */
    private boolean takeOnce(String id, byte[] body, JsonNode event) {
        try {
            transaction.executeWithoutResult(status -> {
                db.update("INSERT INTO events (event_id, body) VALUES (?, ?)", id, body);
                work(id, event);
            });
            return true;
        } catch (DuplicateKeyException e) { // of events: nothing else has a key
            return false;
        }
    }

    /** The work of your application. Types that it does not know it ignores. */
    private void work(String id, JsonNode event) {
        if (event.path("type").asText().equals("upload.completed")) {
            JsonNode upload = event.path("data");
            Long size = upload.has("size") ? upload.get("size").asLong() : null;
            db.update("INSERT INTO uploads (event_id, object_key, size) VALUES (?, ?, ?)", id, upload.path("key").asText(), size);
        }
    }
}
