"""requests_put.py URL FILE HEADER... sends FILE by requests."""
import sys

import requests

url, path, *headers = sys.argv[1:]
with open(path, "rb") as file:
    print(requests.put(url, data=file, headers=dict(h.split(": ", 1) for h in headers)).text)
