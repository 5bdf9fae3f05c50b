// Signs URLs of imaged: sign(path, key), or sign(path, key, expires) with the seconds since 1970. For Node.js, never for a browser.
import { createHmac } from 'node:crypto'

export function sign(path, key, expires) {
  const end = expires === undefined ? '' : `e=${expires}`
  const message = end ? `${path}?${end}` : path
  const digest = createHmac('sha256', key).update(message).digest()
  const signature = digest.subarray(0, 16).toString('base64url')
  return `${path}?s=${signature}${end && `&${end}`}`
}
