"""urllib_put.py URL FILE HEADER... sends FILE by urllib."""
import sys
import urllib.request

url, path, *headers = sys.argv[1:]
with open(path, "rb") as file:
    request = urllib.request.Request(url, data=file.read(), method="PUT")
    for header in headers:
        request.add_header(*header.split(": ", 1))
    print(urllib.request.urlopen(request).read().decode())
