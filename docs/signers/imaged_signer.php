<?php
// Signs URLs of imaged: imaged_sign($path, $key), or imaged_sign($path, $key, $expires) with the seconds since 1970.
function imaged_sign(string $path, string $key, ?int $expires = null): string
{
    $message = $expires === null ? $path : "$path?e=$expires";
    $digest = substr(hash_hmac('sha256', $message, $key, true), 0, 16);
    $signature = rtrim(strtr(base64_encode($digest), '+/', '-_'), '=');
    return "$path?s=$signature" . ($expires === null ? '' : "&e=$expires");
}
