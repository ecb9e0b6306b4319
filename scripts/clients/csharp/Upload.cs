// Uploads FILE and prints the receipt. Runs on .NET, on .NET Framework 4.7.2 and,
// as it was tried, on Mono 6.8: hence the JSON reader that all of them have.
//
//   dotnet new console -o upload && mv Upload.cs upload/Program.cs
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… dotnet run --project upload -- FILE

using System;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using System.Xml;
using System.Xml.Linq;

/// <summary>An answer of status 0 is none at all, and says why.</summary>
class Answer
{
    public int Status;
    public string Body;

    /// <summary>JSON, read as XML, of a success; 200 alone is none: a function that failed may be answered with it, too.</summary>
    public XElement Success(string field)
    {
        if (Status != 200) return null;
        try
        {
            var bytes = Encoding.UTF8.GetBytes(Body);
            var json = XElement.Load(JsonReaderWriterFactory.CreateJsonReader(bytes, XmlDictionaryReaderQuotas.Max));
            return json.Element(field) == null ? null : json;
        }
        catch (XmlException)
        {
            return null;
        }
    }

    /// <summary>Whether to ask again would change nothing.</summary>
    public bool Refused { get { return Status >= 400 && Status < 500 && Status != 409 && Status != 429; } }

    /// <summary>What a function says, one line of JSON, and of OSS's XML, which has the signature in it, what helps.</summary>
    public Exception Failure(string what)
    {
        var said = Regex.Matches(Body, @"\A[{\w].*|<(?:Code|Message|EC|RequestId)>[^<]+").Cast<Match>().Select(m => m.Value);
        return new IOException(what + ": " + Status + " " + string.Join(" ", said));
    }
}

class Uploader
{
    // The default of 100 seconds is for the whole request, and files may be large.
    static readonly HttpClient client = new HttpClient { Timeout = TimeSpan.FromHours(1) };

    readonly string endpoint, token;

    public Uploader(string endpoint, string token)
    {
        this.endpoint = endpoint;
        this.token = token;
    }

    /// <summary>Returns the receipt.</summary>
    public async Task<string> Upload(string path)
    {
        // Without a contentType the extension of the name decides.
        var wish = Json(new XElement("filename", Path.GetFileName(path)),
            new XElement("size", new XAttribute("type", "number"), new FileInfo(path).Length));
        var asked = await Ask("/presign", "url", wish);
        var grant = asked.Success("url");
        if (grant == null) throw asked.Failure("asking for a URL");

        for (var seconds = 1; ; seconds *= 2)
        {
            var put = await Put(grant, path);
            if (put.Success("eventId") != null) return put.Body;

            // It may be stored all the same: 203 says that it is and that the
            // application was not told, 409 that an earlier try was, and an answer
            // may be lost. /confirm knows, tells the application and has the receipt.
            var confirmed = await Ask("/confirm", "eventId", Json(grant.Element("uploadToken")));
            if (confirmed.Success("eventId") != null) return confirmed.Body;
            if (confirmed.Status != 404) throw confirmed.Failure("asking whether it is stored");
            if (put.Refused || seconds > 2) throw put.Failure("uploading"); // nothing is stored
            await Task.Delay(TimeSpan.FromSeconds(seconds));
        }
    }

    // All headers exactly as granted; HttpClient wants those of the body, as
    // Content-Type, on the body. A stream that can seek is sent with its length,
    // which is signed; any other would be sent chunked and refused. On Mono it
    // writes a type with a charset its own way: ask for it so, as
    // "text/plain; charset=utf-8".
    static async Task<Answer> Put(XElement grant, string path)
    {
        using (var file = File.OpenRead(path))
        using (var put = new HttpRequestMessage(new HttpMethod((string)grant.Element("method")), (string)grant.Element("url")))
        {
            put.Content = new StreamContent(file);
            foreach (var header in grant.Element("headers").Elements())
            {
                if (!put.Headers.TryAddWithoutValidation(header.Name.LocalName, header.Value))
                {
                    put.Content.Headers.TryAddWithoutValidation(header.Name.LocalName, header.Value);
                }
            }
            return await Send(put, TimeSpan.FromHours(1));
        }
    }

    // Ask asks until the answer has the field, within reason.
    async Task<Answer> Ask(string route, string field, string body)
    {
        for (var seconds = 1; ; seconds *= 2)
        {
            using (var post = new HttpRequestMessage(HttpMethod.Post, endpoint + route))
            {
                post.Content = new StringContent(body, Encoding.UTF8, "application/json");
                post.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                var answer = await Send(post, TimeSpan.FromSeconds(30));
                if (answer.Success(field) != null || answer.Refused || seconds > 8) return answer;
            }
            await Task.Delay(TimeSpan.FromSeconds(seconds));
        }
    }

    static async Task<Answer> Send(HttpRequestMessage request, TimeSpan timeout)
    {
        try
        {
            using (var limit = new CancellationTokenSource(timeout))
            using (var answer = await client.SendAsync(request, limit.Token))
            {
                return new Answer { Status = (int)answer.StatusCode, Body = await answer.Content.ReadAsStringAsync() };
            }
        }
        catch (Exception e) when (e is HttpRequestException || e is IOException || e is OperationCanceledException)
        {
            return new Answer { Body = "no answer: " + e.GetBaseException().Message };
        }
    }

    static string Json(params XElement[] fields)
    {
        var memory = new MemoryStream();
        using (var writer = JsonReaderWriterFactory.CreateJsonWriter(memory))
        {
            new XElement("root", new XAttribute("type", "object"), fields).WriteTo(writer);
        }
        return Encoding.UTF8.GetString(memory.ToArray());
    }
}

static class Program
{
    static int Main(string[] args)
    {
        try
        {
            var uploader = new Uploader(
                Environment.GetEnvironmentVariable("OSSUPLOAD_ENDPOINT"), Environment.GetEnvironmentVariable("OSSUPLOAD_TOKEN"));
            Console.WriteLine(uploader.Upload(args[0]).GetAwaiter().GetResult());
            return 0;
        }
        catch (IOException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    }
}
