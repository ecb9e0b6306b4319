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

import Foundation

final class Uploader: NSObject, URLSessionDataDelegate {
    struct Refusal: Error {
        let status: Int
        /// From the answer, which is JSON from the functions and XML from OSS.
        let code: String
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
        let (status, body) = try await post("presign", Wish(filename: file.lastPathComponent, size: size))
        guard status == 200 else { throw refusal(status, body) }
        let grant = try JSONDecoder().decode(Grant.self, from: body)

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
        switch (error, status) {
        case (let error?, _):
            finished(memory.file, .failure(error))
        case (nil, 200):
            finished(memory.file, .success(body))
        case (nil, 203), (nil, 409):
            // 203: stored, but the application was not told. 409: the system
            // tries a lost connection again by itself, and the first try was
            // stored. Neither is success before /confirm says so.
            Task {
                do {
                    finished(memory.file, .success(try await confirm(memory.uploadToken)))
                } catch {
                    finished(memory.file, .failure(error))
                }
            }
        default:
            // A 403 may be a URL that expired before its turn: call upload again.
            finished(memory.file, .failure(refusal(status, body)))
        }
    }

    func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
        DispatchQueue.main.async {
            self.eventsHandled?()
            self.eventsHandled = nil
        }
    }

    /// Returns the receipt of an object that is stored; it may be asked again
    /// and again.
    private func confirm(_ uploadToken: String) async throws -> Data {
        var seconds: UInt64 = 1
        while true {
            let (status, body) = try await post("confirm", ["uploadToken": uploadToken])
            if status == 200 { return body }
            if status < 500 || seconds > 16 { throw refusal(status, body) }
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

    private func refusal(_ status: Int, _ body: Data) -> Refusal {
        let text = String(decoding: body, as: UTF8.self)
        guard let found = text.range(of: #"("code":\s*"|<Code>)\w+"#, options: .regularExpression) else {
            return Refusal(status: status, code: "")
        }
        let code = text[found].split(whereSeparator: { !($0.isLetter || $0 == "_") }).last ?? ""
        return Refusal(status: status, code: String(code))
    }
}
