// Uploads FILE and prints the receipt. Needs Java 17 and Gson, for the JDK
// reads no JSON.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… java -cp gson.jar Upload.java FILE

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonSyntaxException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

public class Upload {
    record Grant(String method, String url, Map<String, String> headers, String uploadToken) {}

    /** An answer of status 0 is none at all, and says why. */
    record Answer(int status, String body) {
        // A function answers one line of JSON. OSS's XML has the signature in it,
        // so only what helps is shown.
        static final Pattern SAID = Pattern.compile("^[{\\w].*|<(?:Code|Message|EC|RequestId)>[^<]+");

        /** Reports success. 200 alone is none: a function that failed may be answered with it, too. */
        boolean has(String field) {
            try {
                return status == 200 && gson.fromJson(body, JsonObject.class).has(field);
            } catch (JsonSyntaxException | NullPointerException e) {
                return false;
            }
        }

        /** Reports whether to ask again would change nothing. */
        boolean refused() {
            return status >= 400 && status < 500 && status != 409 && status != 429;
        }

        IOException failure(String what) {
            String said = SAID.matcher(body).results().map(MatchResult::group).collect(Collectors.joining(" "));
            return new IOException(what + ": " + status + " " + said);
        }
    }

    static final Gson gson = new Gson();
    static final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] args) throws InterruptedException {
        try {
            System.out.println(upload(Path.of(args[0])));
        } catch (IOException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }

    static String upload(Path file) throws IOException, InterruptedException {
        // Without a contentType the extension of the name decides.
        var wish = Map.of("filename", file.getFileName().toString(), "size", Files.size(file));
        var asked = ask("/presign", "url", wish);
        if (!asked.has("url")) {
            throw asked.failure("asking for a URL");
        }
        Grant grant = gson.fromJson(asked.body(), Grant.class);

        // ofFile streams and knows the length, which is signed; ofInputStream
        // would be sent chunked and refused. All headers exactly as granted,
        // Content-Type among them.
        var put = HttpRequest.newBuilder(URI.create(grant.url()))
                .method(grant.method(), BodyPublishers.ofFile(file))
                .timeout(Duration.ofHours(1));
        grant.headers().forEach(put::setHeader);
        for (int seconds = 1; ; seconds *= 2) {
            var answer = send(put.build());
            if (answer.has("eventId")) {
                return answer.body();
            }
            // It may be stored all the same: 203 says that it is and that the
            // application was not told, 409 that an earlier try was, and an
            // answer may be lost. /confirm knows, tells the application and has
            // the receipt.
            var confirmed = ask("/confirm", "eventId", Map.of("uploadToken", grant.uploadToken()));
            if (confirmed.has("eventId")) {
                return confirmed.body();
            }
            if (confirmed.status() != 404) {
                throw confirmed.failure("asking whether it is stored");
            }
            if (answer.refused() || seconds > 2) {
                throw answer.failure("uploading"); // nothing is stored
            }
            Thread.sleep(Duration.ofSeconds(seconds).toMillis());
        }
    }

    /** Asks until the answer has the field, within reason. */
    static Answer ask(String route, String field, Map<String, ?> body) throws InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("OSSUPLOAD_ENDPOINT") + route))
                .header("Authorization", "Bearer " + System.getenv("OSSUPLOAD_TOKEN"))
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(gson.toJson(body)))
                .timeout(Duration.ofSeconds(30))
                .build();
        for (int seconds = 1; ; seconds *= 2) {
            var answer = send(request);
            if (answer.has(field) || answer.refused() || seconds > 8) {
                return answer;
            }
            Thread.sleep(Duration.ofSeconds(seconds).toMillis());
        }
    }

    static Answer send(HttpRequest request) throws InterruptedException {
        try {
            var answer = client.send(request, BodyHandlers.ofString());
            return new Answer(answer.statusCode(), answer.body());
        } catch (IOException e) {
            return new Answer(0, "no answer: " + e.getMessage());
        }
    }
}
