// Package signer signs URLs of imaged: Sign(path, key, 0), or Sign(path, key, expires) with the seconds since 1970.
package signer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Sign returns the path with its signature.
func Sign(path, key string, expires int64) string {
	message, end := path, ""
	if expires != 0 {
		message, end = fmt.Sprintf("%s?e=%d", path, expires), fmt.Sprintf("&e=%d", expires)
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return path + "?s=" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16]) + end
}
