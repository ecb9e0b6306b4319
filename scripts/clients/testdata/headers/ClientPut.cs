// ClientPut URL FILE HEADER... sends FILE by HttpClient, which on Mono writes a type
// with a parameter its own way.
using System;
using System.IO;
using System.Linq;
using System.Net.Http;

static class ClientPut
{
    static void Main(string[] args)
    {
        var content = new ByteArrayContent(File.ReadAllBytes(args[1]));
        var put = new HttpRequestMessage(HttpMethod.Put, args[0]) { Content = content };
        foreach (var header in args.Skip(2).Select(h => h.Split(new[] { ": " }, 2, StringSplitOptions.None)))
        {
            if (!put.Headers.TryAddWithoutValidation(header[0], header[1])) content.Headers.TryAddWithoutValidation(header[0], header[1]);
        }
        Console.WriteLine(new HttpClient().SendAsync(put).Result.Content.ReadAsStringAsync().Result);
    }
}
