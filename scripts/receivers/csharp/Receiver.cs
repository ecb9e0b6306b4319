// Receives upload events. It was tried on Mono 6.8; .NET has all of it too, with
// the package Microsoft.Data.Sqlite.
//
//   mcs -langversion:latest Receiver.cs -r:System.Data -r:Mono.Data.Sqlite \
//     -r:System.Runtime.Serialization -r:System.Xml -r:System.Xml.Linq
//   WEBHOOK_SECRETS=whsec_…,whsec_… PORT=8080 mono Receiver.exe
//
// It listens on loopback: what stands in front of it ends TLS.

using System;
using System.Collections.Generic;
using System.Data;
using System.IO;
using System.Linq;
using System.Net;
using System.Runtime.Serialization.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using System.Xml;
using System.Xml.Linq;
#if NET
using Microsoft.Data.Sqlite;
#else
using Mono.Data.Sqlite;
#endif

class Verifier
{
    static readonly TimeSpan tolerance = TimeSpan.FromMinutes(5);

    readonly List<byte[]> keys;

    /// <summary>Takes whsec_… secrets, comma separated: several during a rotation. None at all must not mean "believe all".</summary>
    public Verifier(string secrets)
    {
        keys = (secrets ?? "").Split(',')
            .Select(secret => Regex.Replace(secret.Trim(), "^whsec_", ""))
            .Where(secret => secret != "")
            .Select(Convert.FromBase64String)
            .ToList();
        if (keys.Count == 0) throw new ArgumentException("WEBHOOK_SECRETS is empty");
    }

    /// <summary>
    /// Reports whether one of the signatures was made with one of the secrets, within five minutes of now. The
    /// body is what came, byte by byte, and not what a parser makes of it.
    /// </summary>
    public bool Verifies(string id, string timestamp, string signatures, byte[] body, DateTimeOffset now)
    {
        // Without the limit a recorded request could be sent again years later.
        if (!Regex.IsMatch(timestamp, @"\A[0-9]{1,12}\z")) return false;
        if (Math.Abs(now.ToUnixTimeSeconds() - long.Parse(timestamp)) > tolerance.TotalSeconds) return false;
        var signed = Encoding.UTF8.GetBytes(id + "." + timestamp + ".").Concat(body).ToArray();
        foreach (var key in keys)
        {
            using (var hmac = new HMACSHA256(key))
            {
                var want = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(hmac.ComputeHash(signed)));
                // In constant time: == tells by its duration how much was right.
                if (signatures.Split(' ').Any(s => CryptographicOperations.FixedTimeEquals(want, Encoding.UTF8.GetBytes(s)))) return true;
            }
        }
        return false;
    }
}

static class Events
{
    public static void Create()
    {
        using (var db = Open())
        {
            Execute(db, null, "CREATE TABLE IF NOT EXISTS events (event_id TEXT PRIMARY KEY, body TEXT NOT NULL)");
            Execute(db, null, "CREATE TABLE IF NOT EXISTS uploads (event_id TEXT NOT NULL, object_key TEXT NOT NULL, size INTEGER)");
        }
    }

    /// <summary>
    /// Stores an event and does its work, and reports whether it was new: delivery is at least once. Both happen in
    /// one transaction, so that whenever the process ends, it is both or neither.
    /// </summary>
    public static bool TakeOnce(string id, byte[] body, XElement json)
    {
        using (var db = Open())
        using (var transaction = db.BeginTransaction())
        {
            var isNew = Execute(db, transaction, "INSERT OR IGNORE INTO events (event_id, body) VALUES (@0, @1)",
                id, Encoding.UTF8.GetString(body)) == 1;
            if (isNew) Work(db, transaction, id, json);
            transaction.Commit();
            return isNew;
        }
    }

    // The work of your application. Types that it does not know it ignores.
    static void Work(IDbConnection db, IDbTransaction transaction, string id, XElement json)
    {
        if ((string)json.Element("type") != "upload.completed") return;
        var data = json.Element("data");
        Execute(db, transaction, "INSERT INTO uploads (event_id, object_key, size) VALUES (@0, @1, @2)",
            id, (string)data.Element("key"), (object)(long?)data.Element("size") ?? DBNull.Value);
    }

    static IDbConnection Open()
    {
        var db = new SqliteConnection("Data Source=events.db");
        db.Open();
        Execute(db, null, "PRAGMA busy_timeout = 5000");
        return db;
    }

    static int Execute(IDbConnection db, IDbTransaction transaction, string sql, params object[] values)
    {
        using (var command = db.CreateCommand())
        {
            command.Transaction = transaction;
            command.CommandText = sql;
            for (var i = 0; i < values.Length; i++)
            {
                var parameter = command.CreateParameter();
                parameter.ParameterName = "@" + i;
                parameter.Value = values[i];
                command.Parameters.Add(parameter);
            }
            return command.ExecuteNonQuery();
        }
    }
}

static class Receiver
{
    const int maxBody = 256 * 1024;

    static void Main()
    {
        var verifier = new Verifier(Environment.GetEnvironmentVariable("WEBHOOK_SECRETS"));
        Events.Create();
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:" + Environment.GetEnvironmentVariable("PORT") + "/webhook/");
        listener.Start();
        while (true)
        {
            var context = listener.GetContext();
            Task.Run(() => Answer(verifier, context));
        }
    }

    static void Answer(Verifier verifier, HttpListenerContext context)
    {
        var status = 500; // unless it comes to another, so that the event is sent again
        try
        {
            status = Receive(verifier, context.Request);
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e);
        }
        try
        {
            context.Response.StatusCode = status;
            context.Response.Close();
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e.Message); // the sender has left
        }
    }

    // Receive returns the status of the answer.
    static int Receive(Verifier verifier, HttpListenerRequest request)
    {
        if (request.HttpMethod != "POST") return 405;
        var body = Read(request.InputStream);
        if (body == null) return 413;
        var headers = request.Headers;
        var id = headers["webhook-id"] ?? "";
        if (!verifier.Verifies(id, headers["webhook-timestamp"] ?? "", headers["webhook-signature"] ?? "", body, DateTimeOffset.UtcNow))
        {
            return 400;
        }
        var json = XElement.Load(JsonReaderWriterFactory.CreateJsonReader(body, XmlDictionaryReaderQuotas.Max));
        if (Events.TakeOnce(id, body, json))
        {
            Console.WriteLine("took " + id + ": " + (string)json.Element("type") + " " + (string)json.Element("data").Element("key"));
        }
        // A known event is answered like a new one, or it would be sent again.
        return 204;
    }

    // Read returns the bytes as they came, or null if they are too many.
    static byte[] Read(Stream stream)
    {
        var body = new MemoryStream();
        var buffer = new byte[8192];
        for (int n; (n = stream.Read(buffer, 0, buffer.Length)) > 0;)
        {
            body.Write(buffer, 0, n);
            if (body.Length > maxBody) return null;
        }
        return body.ToArray();
    }
}
