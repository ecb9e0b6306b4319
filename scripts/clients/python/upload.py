"""Uploads FILE and prints the receipt. Needs Python 3.9 or later.

    OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… python3 upload.py FILE
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request


def send(method, url, headers, body):
    """Returns status and body of any answer; 60 seconds of silence are a fault."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def post(route, body):
    headers = {
        "Authorization": "Bearer " + os.environ["OSSUPLOAD_TOKEN"],
        "Content-Type": "application/json",
    }
    return send("POST", os.environ["OSSUPLOAD_ENDPOINT"] + route, headers, json.dumps(body).encode())


def expect_200(what, status, body):
    """Ends with the code of an answer, which is JSON from the functions and XML from OSS."""
    if status != 200:
        code = re.search(rb'(?:"code":\s*"|<Code>)(\w+)', body)
        sys.exit(f"{what}: {status} {code[1].decode() if code else ''}")


path = sys.argv[1]
size = os.path.getsize(path)

# Without a contentType the extension of the name decides.
status, body = post("/presign", {"filename": os.path.basename(path), "size": size})
expect_200("asking for a URL", status, body)
grant = json.loads(body)

# All headers exactly as granted; without a Content-Type urllib would make one
# up. An open file is streamed, but chunked unless its length is told, and OSS
# refuses that: the length is signed.
with open(path, "rb") as file:
    status, body = send(grant["method"], grant["url"], {**grant["headers"], "Content-Length": str(size)}, file)

# 203 is not success: the object is stored, but the application was not told.
# /confirm tells it and has the receipt; it may be asked again and again.
if status == 203:
    for pause in (1, 2, 4, 8, 16, 0):
        status, body = post("/confirm", {"uploadToken": grant["uploadToken"]})
        if status < 500:
            break
        time.sleep(pause)

expect_200("uploading", status, body)
print(body.decode())
