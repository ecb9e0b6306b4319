// OkHttpPut URL FILE HEADER... sends FILE by OkHttp.
import java.io.File;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;

public class OkHttpPut {
    public static void main(String[] args) throws Exception {
        var put = new Request.Builder().url(args[0]).put(RequestBody.create(null, new File(args[1])));
        for (int i = 2; i < args.length; i++) {
            String[] header = args[i].split(": ", 2);
            put.header(header[0], header[1]);
        }
        try (var answer = new OkHttpClient().newCall(put.build()).execute()) {
            System.out.println(answer.body().string());
        }
        System.exit(0); // not to wait for OkHttp's idle threads
    }
}
