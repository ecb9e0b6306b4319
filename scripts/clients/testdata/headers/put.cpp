// put URL FILE HEADER... sends FILE by libcurl.
#include <curl/curl.h>

#include <cstdio>
#include <filesystem>

int main(int, char** argv) {
  CURL* curl = curl_easy_init();
  curl_slist* headers = nullptr;
  for (char** header = argv + 3; *header; ++header) headers = curl_slist_append(headers, *header);
  std::FILE* file = std::fopen(argv[2], "rb");
  curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READDATA, file);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(std::filesystem::file_size(argv[2])));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  return curl_easy_perform(curl);
}
