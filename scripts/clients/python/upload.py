"""Uploads FILE and prints the receipt. Needs Python 3.9 or later.

    OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… python3 upload.py FILE
"""

import http.client
import json
import os
import re
import sys
import time
import urllib.request


class AnyStatus(urllib.request.HTTPErrorProcessor):
    def http_response(self, request, response):
        return response

    https_response = http_response


opener = urllib.request.build_opener(AnyStatus)


def send(method, url, headers, body):
    """Returns status and body of an answer, 0 and the reason if none came; 60 seconds of silence are none."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as fault:
        return 0, f"no answer: {fault}".encode()


def has(answer, field):
    """Reports success. 200 alone is none: a function that failed may be answered with it, too."""
    status, body = answer
    try:
        return status == 200 and bool(json.loads(body).get(field))
    except ValueError:
        return False


def refused(answer):
    """Reports whether to ask again would change nothing."""
    return 400 <= answer[0] < 500 and answer[0] not in (409, 429)


def ask(route, field, body):
    """Asks until the answer has the field, within reason."""
    headers = {
        "Authorization": "Bearer " + os.environ["OSSUPLOAD_TOKEN"],
        "Content-Type": "application/json",
    }
    for pause in (1, 2, 4, 8, 0):
        answer = send("POST", os.environ["OSSUPLOAD_ENDPOINT"] + route, headers, json.dumps(body).encode())
        if has(answer, field) or refused(answer):
            break
        time.sleep(pause)
    return answer


def fail(what, answer):
    """Ends with what a function says, in one line of JSON. OSS's XML has the signature in it, so only some of it is shown."""
    said = re.findall(r"^[{\w].*|<(?:Code|Message|EC|RequestId)>[^<]+", answer[1].decode(errors="replace"))
    sys.exit(f"{what}: {answer[0]} {' '.join(said)}")


def upload(path):
    # Without a contentType the extension of the name decides.
    size = os.path.getsize(path)
    asked = ask("/presign", "url", {"filename": os.path.basename(path), "size": size})
    if not has(asked, "url"):
        fail("asking for a URL", asked)
    grant = json.loads(asked[1])

    for pause in (1, 2, 0):
        # All headers exactly as granted; without a Content-Type urllib would make
        # one up. An open file is streamed, but chunked unless its length is told,
        # and OSS refuses that: the length is signed.
        with open(path, "rb") as file:
            put = send(grant["method"], grant["url"], {**grant["headers"], "Content-Length": str(size)}, file)
        if has(put, "eventId"):
            return put[1].decode()

        # It may be stored all the same: 203 says that it is and that the
        # application was not told, 409 that an earlier try was, and an answer may
        # be lost. /confirm knows, tells the application and has the receipt.
        confirmed = ask("/confirm", "eventId", {"uploadToken": grant["uploadToken"]})
        if has(confirmed, "eventId"):
            return confirmed[1].decode()
        if confirmed[0] != 404:
            fail("asking whether it is stored", confirmed)
        if refused(put):
            break
        time.sleep(pause)
    fail("uploading", put)  # nothing is stored


print(upload(sys.argv[1]))
