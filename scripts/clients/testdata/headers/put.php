<?php
// put.php URL FILE HEADER... sends FILE by PHP's curl.
[, $url, $path] = $argv;
$curl = curl_init($url);
curl_setopt_array($curl, [
    CURLOPT_CUSTOMREQUEST => 'PUT',
    CURLOPT_POSTFIELDS => file_get_contents($path),
    CURLOPT_HTTPHEADER => array_slice($argv, 3),
]);
curl_exec($curl);
