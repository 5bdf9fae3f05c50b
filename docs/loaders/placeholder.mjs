// What next/image takes as `blurDataURL`, from the picture's info.json; `npm install thumbhash` has the decoder.
import { thumbHashToDataURL } from 'thumbhash'

export function placeholder(info) {
  if (!info.thumbhash) return undefined
  return thumbHashToDataURL(Uint8Array.from(atob(info.thumbhash), (character) => character.charCodeAt(0)))
}
