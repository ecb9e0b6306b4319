"""http_put.py URL FILE HEADER... sends FILE by http.client."""
import http.client
import sys
import urllib.parse

url, path, *headers = sys.argv[1:]
parts = urllib.parse.urlsplit(url)
connection = http.client.HTTPConnection(parts.netloc)
with open(path, "rb") as file:
    connection.request("PUT", f"{parts.path}?{parts.query}", file.read(), dict(h.split(": ", 1) for h in headers))
print(connection.getresponse().read().decode())
