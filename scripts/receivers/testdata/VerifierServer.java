import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import receiver.Verifier;

/** Serves the Spring Boot receiver's verifier from the JDK's own server, which needs no Spring. */
public class VerifierServer {
    public static void main(String[] args) throws Exception {
        Verifier verifier = new Verifier(System.getenv().getOrDefault("WEBHOOK_SECRETS", ""));
        Set<String> taken = ConcurrentHashMap.newKeySet();
        HttpServer server =
                HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), 0);
        server.createContext("/webhook", exchange -> {
            byte[] body = exchange.getRequestBody().readNBytes(256 * 1024 + 1);
            var headers = exchange.getRequestHeaders();
            String id = headers.getOrDefault("webhook-id", List.of("")).get(0);
            int status = 204;
            if (body.length > 256 * 1024) {
                status = 413;
            } else if (!verifier.verifies(
                    id,
                    headers.getOrDefault("webhook-timestamp", List.of("")).get(0),
                    headers.getOrDefault("webhook-signature", List.of("")).get(0),
                    body,
                    Instant.now())) {
                status = 400;
            } else if (taken.add(id)) {
                System.out.println("took " + id + ":");
            }
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
        });
        server.start();
    }
}
