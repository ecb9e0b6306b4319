// Uploads FILE and prints the receipt. Needs .NET 10, or a project around it
// for .NET 8.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… dotnet run Upload.cs -- FILE

using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

var endpoint = Environment.GetEnvironmentVariable("OSSUPLOAD_ENDPOINT");
var token = Environment.GetEnvironmentVariable("OSSUPLOAD_TOKEN");

// The default of 100 seconds is for the whole request, and files may be large.
using var client = new HttpClient { Timeout = TimeSpan.FromHours(1) };

try
{
    Console.WriteLine(await Upload(args[0]));
    return 0;
}
catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

async Task<string> Upload(string path)
{
    await using var file = File.OpenRead(path);

    // Without a contentType the extension of the name decides.
    var (status, body) = await Post("/presign", new() { ["filename"] = Path.GetFileName(path), ["size"] = file.Length });
    var grant = JsonNode.Parse(Ok("asking for a URL", status, body))!;

    // All headers exactly as granted; HttpClient wants those of the body, as
    // Content-Type, on the body. A stream that can seek is sent with its length,
    // which is signed; any other would be sent chunked and refused.
    using var put = new HttpRequestMessage(new HttpMethod((string)grant["method"]!), (string)grant["url"]!)
    {
        Content = new StreamContent(file),
    };
    foreach (var (name, value) in grant["headers"]!.AsObject())
    {
        if (!put.Headers.TryAddWithoutValidation(name, (string)value!))
        {
            put.Content.Headers.TryAddWithoutValidation(name, (string)value!);
        }
    }
    (status, body) = await Send(put, TimeSpan.FromHours(1));

    // 203 is not success: the object is stored, but the application was not
    // told. /confirm tells it and has the receipt; it may be asked again and
    // again.
    if (status == HttpStatusCode.NonAuthoritativeInformation)
    {
        foreach (var seconds in new[] { 1, 2, 4, 8, 16, 0 })
        {
            (status, body) = await Post("/confirm", new() { ["uploadToken"] = (string)grant["uploadToken"]! });
            if ((int)status < 500) break;
            await Task.Delay(TimeSpan.FromSeconds(seconds));
        }
    }
    return Ok("uploading", status, body);
}

async Task<(HttpStatusCode, string)> Post(string route, JsonObject body)
{
    using var post = new HttpRequestMessage(HttpMethod.Post, endpoint + route)
    {
        Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
    };
    post.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
    return await Send(post, TimeSpan.FromSeconds(30));
}

async Task<(HttpStatusCode, string)> Send(HttpRequestMessage request, TimeSpan timeout)
{
    using var limit = new CancellationTokenSource(timeout);
    using var answer = await client.SendAsync(request, limit.Token);
    return (answer.StatusCode, await answer.Content.ReadAsStringAsync(limit.Token));
}

// Ok throws the code of an answer, which is JSON from the functions and XML
// from OSS.
string Ok(string what, HttpStatusCode status, string body)
{
    if (status == HttpStatusCode.OK) return body;
    var code = Regex.Match(body, """(?:"code":\s*"|<Code>)(\w+)""").Groups[1].Value;
    throw new HttpRequestException($"{what}: {(int)status} {code}");
}
