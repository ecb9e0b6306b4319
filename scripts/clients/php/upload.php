<?php
// Uploads FILE and prints the receipt. Needs PHP 8.1 and its curl extension.
//
//   OSSUPLOAD_ENDPOINT=https://upload.example.com OSSUPLOAD_TOKEN=… php upload.php FILE

/** Sends a request and returns status and body; 60 seconds of silence are a fault. */
function send(string $url, array $headers, array $options): array
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
    if ($body === false) {
        fail('sending a request: ' . curl_error($curl));
    }
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $body];
}

function post(string $route, array $body): array
{
    return send(
        getenv('OSSUPLOAD_ENDPOINT') . $route,
        ['Authorization' => 'Bearer ' . getenv('OSSUPLOAD_TOKEN'), 'Content-Type' => 'application/json'],
        [CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR)],
    );
}

/** Ends with the code of an answer, which is JSON from the functions and XML from OSS. */
function expect200(string $what, int $status, string $body): void
{
    if ($status !== 200) {
        preg_match('/(?:"code":\s*"|<Code>)(\w+)/', $body, $code);
        fail("$what: $status " . ($code[1] ?? ''));
    }
}

function fail(string $message): never
{
    fwrite(STDERR, "$message\n");
    exit(1);
}

$path = $argv[1];
$size = filesize($path);
// basename() loses characters of names that are not of the system's locale.
$filename = substr(strrchr("/$path", '/'), 1);

// Without a contentType the extension of the name decides.
[$status, $body] = post('/presign', ['filename' => $filename, 'size' => $size]);
expect200('asking for a URL', $status, $body);
$grant = json_decode($body, true, flags: JSON_THROW_ON_ERROR);

// All headers exactly as granted, Content-Type among them. CURLOPT_INFILE
// streams; without CURLOPT_INFILESIZE it would be sent chunked and refused, for
// the length is signed. CURLOPT_POSTFIELDS would hold the file in memory.
[$status, $body] = send($grant['url'], $grant['headers'], [
    CURLOPT_UPLOAD => true,
    CURLOPT_INFILE => fopen($path, 'rb'),
    CURLOPT_INFILESIZE => $size,
    CURLOPT_CUSTOMREQUEST => $grant['method'],
]);

// 203 is not success: the object is stored, but the application was not told.
// /confirm tells it and has the receipt; it may be asked again and again.
if ($status === 203) {
    foreach ([1, 2, 4, 8, 16, 0] as $pause) {
        [$status, $body] = post('/confirm', ['uploadToken' => $grant['uploadToken']]);
        if ($status < 500) {
            break;
        }
        sleep($pause);
    }
}
expect200('uploading', $status, $body);
echo $body, "\n";
