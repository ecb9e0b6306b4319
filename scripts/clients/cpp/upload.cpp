// Uploads FILE and prints the receipt. Needs C++17, libcurl and nlohmann/json.
//
//   c++ -std=c++17 upload.cpp -lcurl -o upload
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… ./upload FILE

#include <curl/curl.h>
#include <nlohmann/json.hpp>

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

struct Answer {
  long status = 0;
  std::string body;
};

// ok returns the body of a 200 and throws the code of any other answer, which
// is JSON from the functions and XML from OSS.
std::string ok(const std::string& what, const Answer& answer) {
  if (answer.status == 200) return answer.body;
  std::smatch code;
  std::regex_search(answer.body, code, std::regex(R"re((?:"code":\s*"|<Code>)(\w+))re"));
  throw std::runtime_error(what + ": " + std::to_string(answer.status) + " " + code[1].str());
}

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
    throw std::runtime_error(curl_easy_strerror(fault));
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

Answer post(const std::string& route, const json& in) {
  Curl curl;
  const std::string body = in.dump();
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  return send(curl.get(), variable("OSSUPLOAD_ENDPOINT") + route,
              {{"Authorization", "Bearer " + variable("OSSUPLOAD_TOKEN")}, {"Content-Type", "application/json"}});
}

std::string upload(const std::filesystem::path& path) {
  const auto size = std::filesystem::file_size(path);

  // Without a contentType the extension of the name decides.
  const json grant = json::parse(
      ok("asking for a URL", post("/presign", {{"filename", path.filename().u8string()}, {"size", size}})));

  // All headers exactly as granted, Content-Type among them. The file is
  // streamed; without CURLOPT_INFILESIZE_LARGE it would be sent chunked and
  // refused, for the length is signed.
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.string().c_str(), "rb"), std::fclose);
  if (!file) throw std::runtime_error("the file cannot be opened");
  Curl curl;
  curl_easy_setopt(curl.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, grant.at("method").get_ref<const std::string&>().c_str());
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, file.get());
  curl_easy_setopt(curl.get(), CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  Answer answer = send(curl.get(), grant.at("url"), grant.at("headers"));

  // 203 is not success: the object is stored, but the application was not told.
  // /confirm tells it and has the receipt; it may be asked again and again.
  if (answer.status == 203) {
    for (int seconds : {1, 2, 4, 8, 16, 0}) {
      answer = post("/confirm", {{"uploadToken", grant.at("uploadToken")}});
      if (answer.status < 500) break;
      std::this_thread::sleep_for(std::chrono::seconds(seconds));
    }
  }
  return ok("uploading", answer);
}

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: upload FILE");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  std::cout << upload(argv[1]) << std::endl;
} catch (const std::exception& fault) {
  std::cerr << fault.what() << std::endl;
  return 1;
}
