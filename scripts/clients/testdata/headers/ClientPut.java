// ClientPut URL FILE HEADER... sends FILE by java.net.http.HttpClient.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

public class ClientPut {
    public static void main(String[] args) throws Exception {
        var put = HttpRequest.newBuilder(URI.create(args[0])).PUT(HttpRequest.BodyPublishers.ofFile(Path.of(args[1])));
        for (int i = 2; i < args.length; i++) {
            String[] header = args[i].split(": ", 2);
            put.header(header[0], header[1]);
        }
        System.out.println(HttpClient.newHttpClient().send(put.build(), BodyHandlers.ofString()).body());
    }
}
