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
import org.json.JSONException
import org.json.JSONObject

/** An answer of status 0 is none at all, and says why. */
class Answer(val status: Int, val body: String) {
    /** Reports success. 200 alone is none: a function that failed may be answered with it, too. */
    fun has(field: String) = try {
        status == 200 && JSONObject(body).has(field)
    } catch (e: JSONException) {
        false
    }

    /** Reports whether to ask again would change nothing. */
    val refused get() = status in 400..499 && status != 409 && status != 429

    // A function answers one line of JSON. OSS's XML has the signature in it, so
    // only what helps is shown.
    fun failure(what: String) = IOException("$what: $status " + SAID.findAll(body).joinToString(" ") { it.value })

    private companion object {
        val SAID = Regex("^[{\\w].*|<(?:Code|Message|EC|RequestId)>[^<]+")
    }
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
        val asked = ask("/presign", "url", JSONObject().put("filename", file.name).put("size", file.length()))
        if (!asked.has("url")) throw asked.failure("asking for a URL")
        val grant = JSONObject(asked.body)

        // All headers exactly as granted. The body has no media type of its
        // own, since OkHttp would send that instead of the granted
        // Content-Type. It knows its length, which is signed; a body that does
        // not is sent chunked and refused.
        val request = Request.Builder().url(grant.getString("url"))
            .method(grant.getString("method"), file.asRequestBody())
        val headers = grant.getJSONObject("headers")
        for (name in headers.keys()) request.header(name, headers.getString(name))
        var seconds = 1L
        while (true) {
            val put = send(request.build())
            if (put.has("eventId")) return JSONObject(put.body)

            // It may be stored all the same: 203 says that it is and that the
            // application was not told, 409 that an earlier try was, and an
            // answer may be lost. /confirm knows, tells the application and has
            // the receipt.
            val confirmed = ask("/confirm", "eventId", JSONObject().put("uploadToken", grant.getString("uploadToken")))
            if (confirmed.has("eventId")) return JSONObject(confirmed.body)
            if (confirmed.status != 404) throw confirmed.failure("asking whether it is stored")
            if (put.refused || seconds > 2) throw put.failure("uploading") // nothing is stored
            TimeUnit.SECONDS.sleep(seconds)
            seconds *= 2
        }
    }

    /** Asks until the answer has the field, within reason. */
    private fun ask(route: String, field: String, body: JSONObject): Answer {
        val request = Request.Builder().url(endpoint + route)
            .header("Authorization", "Bearer $token")
            .post(body.toString().toRequestBody("application/json".toMediaType()))
            .build()
        var seconds = 1L
        while (true) {
            val answer = send(request)
            if (answer.has(field) || answer.refused || seconds > 8) return answer
            TimeUnit.SECONDS.sleep(seconds)
            seconds *= 2
        }
    }

    private fun send(request: Request): Answer = try {
        client.newCall(request).execute().use { Answer(it.code, it.body!!.string()) }
    } catch (e: IOException) {
        Answer(0, "no answer: ${e.message}")
    }
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
