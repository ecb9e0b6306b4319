// RequestPut URL FILE HEADER... sends FILE by HttpWebRequest.
using System;
using System.IO;
using System.Linq;
using System.Net;

static class RequestPut
{
    static void Main(string[] args)
    {
        var put = (HttpWebRequest)WebRequest.Create(args[0]);
        put.Method = "PUT";
        foreach (var header in args.Skip(2).Select(h => h.Split(new[] { ": " }, 2, StringSplitOptions.None)))
        {
            if (header[0] == "Content-Type") put.ContentType = header[1];
            else put.Headers[header[0]] = header[1];
        }
        var content = File.ReadAllBytes(args[1]);
        put.ContentLength = content.Length;
        using (var body = put.GetRequestStream()) body.Write(content, 0, content.Length);
        using (var answer = put.GetResponse()) Console.WriteLine(new StreamReader(answer.GetResponseStream()).ReadToEnd());
    }
}
