<?php
// Uploads FILE and prints the receipt. Needs PHP 8.1 and its curl extension.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… php upload.php FILE

/** An answer of status 0 is none at all. */
final class Answer
{
    public function __construct(public readonly int $status, public readonly string $body)
    {
    }

    /** A field of a success. 200 alone is none: a function that failed may be answered with it, too. */
    public function field(string $name): mixed
    {
        return $this->status === 200 ? json_decode($this->body, true)[$name] ?? null : null;
    }

    /** Reports whether to ask again would change nothing. */
    public function refused(): bool
    {
        return $this->status >= 400 && $this->status < 500 && !in_array($this->status, [409, 429], true);
    }
}

/** Sends a request; 60 seconds of silence are no answer. */
function send(string $url, array $headers, array $options): Answer
{
    $curl = curl_init($url);
    curl_setopt_array($curl, $options + [
        CURLOPT_HTTPHEADER => array_map(fn ($name, $value) => "$name: $value", array_keys($headers), $headers),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 10,
        CURLOPT_LOW_SPEED_LIMIT => 1,
        CURLOPT_LOW_SPEED_TIME => 60,
    ]);
    $body = curl_exec($curl);
    return $body === false
        ? new Answer(0, 'no answer: ' . curl_error($curl))
        : new Answer(curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $body);
}

/** Asks until the answer has the field, within reason. */
function ask(string $route, string $field, array $body): Answer
{
    foreach ([1, 2, 4, 8, 0] as $pause) {
        $answer = send(
            getenv('OSSUPLOAD_ENDPOINT') . $route,
            ['Authorization' => 'Bearer ' . getenv('OSSUPLOAD_TOKEN'), 'Content-Type' => 'application/json'],
            [CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR)],
        );
        if ($answer->field($field) || $answer->refused()) {
            break;
        }
        sleep($pause);
    }
    return $answer;
}

/** Ends with what a function says, in one line of JSON. OSS's XML has the signature in it, so only some of it is shown. */
function fail(string $what, Answer $answer): never
{
    preg_match_all('/^[{\w].*|<(?:Code|Message|EC|RequestId)>[^<]+/', $answer->body, $said);
    fwrite(STDERR, "$what: $answer->status " . implode(' ', $said[0]) . "\n");
    exit(1);
}

function upload(string $path): string
{
    $size = filesize($path);
    // basename() loses characters of names that are not of the system's locale.
    $filename = substr(strrchr("/$path", '/'), 1);

    // Without a contentType the extension of the name decides.
    $asked = ask('/presign', 'url', ['filename' => $filename, 'size' => $size]);
    $asked->field('url') ?? fail('asking for a URL', $asked);
    $grant = json_decode($asked->body, true);

    foreach ([1, 2, 0] as $pause) {
        // All headers exactly as granted, Content-Type among them. CURLOPT_INFILE
        // streams; without CURLOPT_INFILESIZE it would be sent chunked and refused,
        // for the length is signed. CURLOPT_POSTFIELDS would hold the file in memory.
        $put = send($grant['url'], $grant['headers'], [
            CURLOPT_UPLOAD => true,
            CURLOPT_INFILE => fopen($path, 'rb'),
            CURLOPT_INFILESIZE => $size,
            CURLOPT_CUSTOMREQUEST => $grant['method'],
        ]);
        if ($put->field('eventId')) {
            return $put->body;
        }

        // It may be stored all the same: 203 says that it is and that the
        // application was not told, 409 that an earlier try was, and an answer may
        // be lost. /confirm knows, tells the application and has the receipt.
        $confirmed = ask('/confirm', 'eventId', ['uploadToken' => $grant['uploadToken']]);
        if ($confirmed->field('eventId')) {
            return $confirmed->body;
        }
        if ($confirmed->status !== 404) {
            fail('asking whether it is stored', $confirmed);
        }
        if ($put->refused()) {
            break;
        }
        sleep($pause);
    }
    fail('uploading', $put); // nothing is stored
}

echo upload($argv[1]), "\n";
