// Uploads FILE and prints the receipt. Needs OkHttp 4 or 5 and org.json, which
// Android has built in; on Android call upload() from a worker thread.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… kotlin UploadKt FILE

import java.io.File
import java.io.IOException
import java.util.concurrent.TimeUnit
import kotlin.system.exitProcess
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.asRequestBody
import okhttp3.RequestBody.Companion.toRequestBody
import org.json.JSONObject

class Answer(val status: Int, val body: String) {
    /** The code of a refusal, which is JSON from the functions and XML from OSS. */
    val code get() = Regex("(?:\"code\":\\s*\"|<Code>)(\\w+)").find(body)?.groupValues?.get(1).orEmpty()

    fun ok(what: String) = if (status == 200) body else throw IOException("$what: $status $code")
}

class Uploader(private val endpoint: String, private val token: String) {
    // Silence is limited, and the whole is not, for files may be large.
    private val client = OkHttpClient.Builder()
        .connectTimeout(10, TimeUnit.SECONDS)
        .readTimeout(60, TimeUnit.SECONDS)
        .writeTimeout(60, TimeUnit.SECONDS)
        .build()

    /** Returns the receipt. */
    fun upload(file: File): JSONObject {
        // Without a contentType the extension of the name decides.
        val asked = post("/presign", JSONObject().put("filename", file.name).put("size", file.length()))
        val grant = JSONObject(asked.ok("asking for a URL"))

        // All headers exactly as granted. The body has no media type of its
        // own, since OkHttp would send that instead of the granted
        // Content-Type. It knows its length, which is signed; a body that does
        // not is sent chunked and refused.
        val put = Request.Builder().url(grant.getString("url"))
            .method(grant.getString("method"), file.asRequestBody())
        val headers = grant.getJSONObject("headers")
        for (name in headers.keys()) put.header(name, headers.getString(name))
        var answer = send(put.build())

        // 203 is not success: the object is stored, but the application was not
        // told. /confirm tells it and has the receipt; it may be asked again
        // and again.
        if (answer.status == 203) {
            for (seconds in listOf(1L, 2L, 4L, 8L, 16L, 0L)) {
                answer = post("/confirm", JSONObject().put("uploadToken", grant.getString("uploadToken")))
                if (answer.status < 500) break
                TimeUnit.SECONDS.sleep(seconds)
            }
        }
        return JSONObject(answer.ok("uploading"))
    }

    private fun post(route: String, body: JSONObject) = send(
        Request.Builder().url(endpoint + route)
            .header("Authorization", "Bearer $token")
            .post(body.toString().toRequestBody("application/json".toMediaType()))
            .build()
    )

    private fun send(request: Request): Answer =
        client.newCall(request).execute().use { Answer(it.code, it.body!!.string()) }
}

fun main(args: Array<String>) {
    try {
        val uploader = Uploader(System.getenv("OSSUPLOAD_ENDPOINT"), System.getenv("OSSUPLOAD_TOKEN"))
        println(uploader.upload(File(args[0])))
    } catch (e: IOException) {
        System.err.println(e.message)
        exitProcess(1)
    }
    exitProcess(0) // not to wait for OkHttp's idle threads
}
