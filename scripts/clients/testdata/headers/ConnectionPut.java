// ConnectionPut URL FILE HEADER... sends FILE by HttpURLConnection.
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

public class ConnectionPut {
    public static void main(String[] args) throws Exception {
        var connection = (HttpURLConnection) URI.create(args[0]).toURL().openConnection();
        connection.setRequestMethod("PUT");
        connection.setDoOutput(true);
        for (int i = 2; i < args.length; i++) {
            String[] header = args[i].split(": ", 2);
            connection.setRequestProperty(header[0], header[1]);
        }
        try (var out = connection.getOutputStream()) {
            Files.copy(Path.of(args[1]), out);
        }
        connection.getInputStream().transferTo(System.out);
    }
}
