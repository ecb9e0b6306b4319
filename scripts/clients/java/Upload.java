// Uploads FILE and prints the receipt. Needs Java 17 and Gson, for the JDK
// reads no JSON.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… java -cp gson.jar Upload.java FILE

import com.google.gson.Gson;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Pattern;

public class Upload {
    record Grant(String method, String url, Map<String, String> headers, String uploadToken) {}

    static final Gson gson = new Gson();
    static final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[0]);

        // Without a contentType the extension of the name decides.
        var asked = post("/presign", Map.of("filename", file.getFileName().toString(), "size", Files.size(file)));
        Grant grant = gson.fromJson(ok("asking for a URL", asked), Grant.class);

        // ofFile streams and knows the length, which is signed; ofInputStream
        // would be sent chunked and refused. All headers exactly as granted,
        // Content-Type among them.
        var put = HttpRequest.newBuilder(URI.create(grant.url()))
                .method(grant.method(), BodyPublishers.ofFile(file))
                .timeout(Duration.ofHours(1));
        grant.headers().forEach(put::setHeader);
        var answer = client.send(put.build(), BodyHandlers.ofString());

        // 203 is not success: the object is stored, but the application was
        // not told. /confirm tells it and has the receipt; it may be asked
        // again and again.
        if (answer.statusCode() == 203) {
            for (int seconds = 1; ; seconds *= 2) {
                answer = post("/confirm", Map.of("uploadToken", grant.uploadToken()));
                if (answer.statusCode() < 500 || seconds > 16) {
                    break;
                }
                Thread.sleep(Duration.ofSeconds(seconds).toMillis());
            }
        }
        System.out.println(ok("uploading", answer));
    }

    static HttpResponse<String> post(String route, Map<String, ?> body) throws Exception {
        return client.send(HttpRequest.newBuilder(URI.create(System.getenv("OSSUPLOAD_ENDPOINT") + route))
                .header("Authorization", "Bearer " + System.getenv("OSSUPLOAD_TOKEN"))
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(gson.toJson(body)))
                .timeout(Duration.ofSeconds(30))
                .build(), BodyHandlers.ofString());
    }

    /** Ends with the code of an answer, which is JSON from the functions and XML from OSS. */
    static String ok(String what, HttpResponse<String> answer) {
        if (answer.statusCode() != 200) {
            var code = Pattern.compile("(?:\"code\":\\s*\"|<Code>)(\\w+)").matcher(answer.body());
            System.err.printf("%s: %d %s%n", what, answer.statusCode(), code.find() ? code.group(1) : "");
            System.exit(1);
        }
        return answer.body();
    }
}
