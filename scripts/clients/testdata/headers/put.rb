# put.rb URL FILE HEADER... sends FILE by net/http.
require "net/http"

url, path, *headers = ARGV
put = Net::HTTP::Put.new(URI(url))
headers.each { |header| put.send(:[]=, *header.split(": ", 2)) }
put.body = File.binread(path)
puts Net::HTTP.start(put.uri.host, put.uri.port) { |http| http.request(put) }.body
