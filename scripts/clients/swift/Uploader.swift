// Uploads files in a background URLSession, which goes on while the app is
// suspended, and hands receipts back. For iOS 15 or macOS 12 and later.
//
//   let uploader = Uploader(endpoint: URL(string: "https://upload.example.com")!,
//                           token: { try await session.token() },
//                           finished: { file, result in … })
//   try await uploader.upload(file)
//
// Make one at every launch, or what was sent meanwhile is reported to nobody,
// and pass the completion handler of
// application(_:handleEventsForBackgroundURLSession:completionHandler:) on to
// eventsHandled.
//
// Unlike the other recipes this one was never compiled or run: background
// sessions are in Apple's systems only.

import Foundation

final class Uploader: NSObject, URLSessionDataDelegate {
    struct Refusal: Error {
        let status: Int
        /// What a function answered, one line of JSON with code, message, details
        /// and requestId, and of OSS's XML, which has the signature in it, what
        /// helps.
        let said: String
    }

    private struct Grant: Decodable {
        let method: String
        let url: URL
        let headers: [String: String]
        let uploadToken: String
    }

    /// What a later launch of the app has to know of a task. It is kept in the
    /// task's description, which outlives the process.
    private struct Memory: Codable {
        let file: URL
        let uploadToken: String
    }

    var eventsHandled: (() -> Void)?

    private let endpoint: URL
    private let token: () async throws -> String
    private let finished: (URL, Result<Data, Error>) -> Void
    private var bodies: [Int: Data] = [:]  // by task; only the session's queue touches it

    private lazy var session: URLSession = {
        let configuration = URLSessionConfiguration.background(withIdentifier: "ossupload")
        configuration.timeoutIntervalForResource = 24 * 60 * 60
        return URLSession(configuration: configuration, delegate: self, delegateQueue: nil)
    }()

    init(
        endpoint: URL, token: @escaping () async throws -> String,
        finished: @escaping (URL, Result<Data, Error>) -> Void
    ) {
        self.endpoint = endpoint
        self.token = token
        self.finished = finished
        super.init()
        _ = session  // takes up the tasks of an earlier launch
    }

    /// Asks for a URL and hands the file to the system. It must stay where it
    /// is until finished is called.
    func upload(_ file: URL) async throws {
        struct Wish: Encodable {
            let filename: String
            let size: Int
        }
        // Without a contentType the extension of the name decides.
        let size = try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
        let grant = try JSONDecoder().decode(
            Grant.self, from: try await ask("presign", for: "url", Wish(filename: file.lastPathComponent, size: size)))

        // All headers exactly as granted, Content-Type among them. A file is
        // the only body that a background session takes, and is sent with its
        // length, which is signed; an httpBodyStream would be chunked.
        var request = URLRequest(url: grant.url)
        request.httpMethod = grant.method
        request.allHTTPHeaderFields = grant.headers
        let task = session.uploadTask(with: request, fromFile: file)
        let memory = try JSONEncoder().encode(Memory(file: file, uploadToken: grant.uploadToken))
        task.taskDescription = String(decoding: memory, as: UTF8.self)
        task.resume()
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        bodies[dataTask.taskIdentifier, default: Data()].append(data)
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: Error?) {
        let body = bodies.removeValue(forKey: task.taskIdentifier) ?? Data()
        guard let description = task.taskDescription,
            let memory = try? JSONDecoder().decode(Memory.self, from: Data(description.utf8))
        else { return }
        let status = (task.response as? HTTPURLResponse)?.statusCode ?? 0
        if error == nil, has("eventId", status, body) { return finished(memory.file, .success(body)) }
        // It may be stored all the same: 203 says that it is and that the
        // application was not told, 409 that an earlier try was, for the system
        // tries a lost connection again by itself, and an answer may be lost.
        // /confirm knows, tells the application and has the receipt.
        Task {
            do {
                let receipt = try await ask("confirm", for: "eventId", ["uploadToken": memory.uploadToken])
                finished(memory.file, .success(receipt))
            } catch let refusal as Refusal where refusal.status == 404 {
                // Nothing is stored. A 403 may be a URL that expired before its turn:
                // upload may be called again.
                finished(memory.file, .failure(error ?? self.refusal(status, body)))
            } catch {
                finished(memory.file, .failure(error))
            }
        }
    }

    func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
        DispatchQueue.main.async {
            self.eventsHandled?()
            self.eventsHandled = nil
        }
    }

    /// Asks until the answer has the field, within reason.
    private func ask(_ route: String, for field: String, _ body: some Encodable) async throws -> Data {
        var seconds: UInt64 = 1
        while true {
            var fault: Error
            do {
                let (status, answer) = try await post(route, body)
                if has(field, status, answer) { return answer }
                fault = refusal(status, answer)
                if refused(status) { throw fault }
            } catch let lost as URLError {
                fault = lost
            }
            if seconds > 8 { throw fault }
            try await Task.sleep(nanoseconds: seconds * 1_000_000_000)
            seconds *= 2
        }
    }

    private func post(_ route: String, _ body: some Encodable) async throws -> (status: Int, body: Data) {
        var request = URLRequest(url: endpoint.appendingPathComponent(route), timeoutInterval: 30)
        request.httpMethod = "POST"
        request.setValue("Bearer \(try await token())", forHTTPHeaderField: "Authorization")
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONEncoder().encode(body)
        let (data, response) = try await URLSession.shared.data(for: request)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, data)
    }

    /// Reports success. 200 alone is none: a function that failed may be answered
    /// with it, too.
    private func has(_ field: String, _ status: Int, _ body: Data) -> Bool {
        let json = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
        return status == 200 && json?[field] != nil
    }

    /// Reports whether to ask again would change nothing.
    private func refused(_ status: Int) -> Bool {
        (400..<500).contains(status) && status != 409 && status != 429
    }

    private func refusal(_ status: Int, _ body: Data) -> Refusal {
        let text = String(decoding: body, as: UTF8.self)
        let helps = try? NSRegularExpression(pattern: #"\A[\{\w].*|<(?:Code|Message|EC|RequestId)>[^<]+"#)
        let said = helps?.matches(in: text, range: NSRange(text.startIndex..., in: text))
            .compactMap { Range($0.range, in: text).map { String(text[$0]) } }
        return Refusal(status: status, said: said?.joined(separator: " ") ?? "")
    }
}
