// Uploads FILE and prints the receipt. Needs C++17, libcurl and nlohmann/json.
//
//   c++ -std=c++17 upload.cpp -lcurl -o upload
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… ./upload FILE

#include <curl/curl.h>
#include <nlohmann/json.hpp>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>

using nlohmann::json;
using Headers = std::map<std::string, std::string>;

// Answer is of status 0, with the reason, if none came.
struct Answer {
  long status = 0;
  std::string body;

  // has reports success. 200 alone is none: a function that failed may be
  // answered with it, too.
  bool has(const char* field) const {
    const json parsed = json::parse(body, nullptr, false);
    return status == 200 && parsed.is_object() && parsed.contains(field);
  }

  // refused reports whether to ask again would change nothing.
  bool refused() const { return status >= 400 && status < 500 && status != 409 && status != 429; }

  // failure has what a function says, one line of JSON, and of OSS's XML, which
  // has the signature in it, what helps.
  std::runtime_error failure(std::string what) const {
    what += ": " + std::to_string(status);
    if (!body.empty() && (body[0] == '{' || std::isalpha(static_cast<unsigned char>(body[0])))) return std::runtime_error(what + " " + body);
    static const std::regex said("<(?:Code|Message|EC|RequestId)>[^<]+");
    for (std::sregex_iterator match(body.begin(), body.end(), said), end; match != end; ++match) {
      what += " " + match->str();
    }
    return std::runtime_error(what);
  }
};

// send performs a request that is prepared but for what all have in common.
Answer send(CURL* curl, const std::string& url, const Headers& headers) {
  Answer answer;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> list(nullptr, curl_slist_free_all);
  for (const auto& [name, value] : headers) {
    list.reset(curl_slist_append(list.release(), (name + ": " + value).c_str()));
  }
  size_t (*append)(char*, size_t, size_t, void*) = [](char* data, size_t, size_t n, void* to) {
    static_cast<std::string*>(to)->append(data, n);
    return n;
  };
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // Silence is limited, and the whole is not, for files may be large.
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  if (CURLcode fault = curl_easy_perform(curl); fault != CURLE_OK) {
    return {0, std::string("no answer: ") + curl_easy_strerror(fault)};
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

struct Curl : std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> {
  Curl() : unique_ptr(curl_easy_init(), curl_easy_cleanup) {
    if (!*this) throw std::runtime_error("libcurl has no memory");
  }
};

std::string variable(const char* name) {
  if (const char* value = std::getenv(name)) return value;
  throw std::runtime_error(std::string(name) + " is not set");
}

void sleep(int seconds) { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }

// ask asks until the answer has the field, within reason.
Answer ask(const std::string& route, const char* field, const json& in) {
  const std::string body = in.dump();
  for (int seconds = 1;; seconds *= 2) {
    Curl curl;
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
    const Answer answer =
        send(curl.get(), variable("OSSUPLOAD_ENDPOINT") + route,
             {{"Authorization", "Bearer " + variable("OSSUPLOAD_TOKEN")}, {"Content-Type", "application/json"}});
    if (answer.has(field) || answer.refused() || seconds > 8) return answer;
    sleep(seconds);
  }
}

// put sends the file with all headers exactly as granted, Content-Type among
// them. It is streamed; without CURLOPT_INFILESIZE_LARGE it would be sent
// chunked and refused, for the length is signed.
Answer put(const json& grant, const std::filesystem::path& path, std::uintmax_t size) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.string().c_str(), "rb"), std::fclose);
  if (!file) throw std::runtime_error("the file cannot be opened");
  Curl curl;
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, grant.at("method").get_ref<const std::string&>().c_str());
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, file.get());
  curl_easy_setopt(curl.get(), CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  return send(curl.get(), grant.at("url"), grant.at("headers"));
}

std::string upload(const std::filesystem::path& path) {
  const auto size = std::filesystem::file_size(path);

  // Without a contentType the extension of the name decides.
  const Answer asked = ask("/presign", "url", {{"filename", path.filename().u8string()}, {"size", size}});
  if (!asked.has("url")) throw asked.failure("asking for a URL");
  const json grant = json::parse(asked.body);

  for (int seconds = 1;; seconds *= 2) {
    const Answer sent = put(grant, path, size);
    if (sent.has("eventId")) return sent.body;

    // It may be stored all the same: 203 says that it is and that the application
    // was not told, 409 that an earlier try was, and an answer may be lost.
    // /confirm knows, tells the application and has the receipt.
    const Answer confirmed = ask("/confirm", "eventId", {{"uploadToken", grant.at("uploadToken")}});
    if (confirmed.has("eventId")) return confirmed.body;
    if (confirmed.status != 404) throw confirmed.failure("asking whether it is stored");
    if (sent.refused() || seconds > 2) throw sent.failure("uploading");  // nothing is stored
    sleep(seconds);
  }
}

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: upload FILE");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::cout << upload(argv[1]) << std::endl;
} catch (const std::exception& fault) {
  std::cerr << fault.what() << std::endl;
  return 1;
}
