// A provider of Nuxt Image 2. `src` is the path of a picture, as in the answer to its POST: /p/f84/0ee/339…
import { defineProvider } from '@nuxt/image/runtime'

const BOXES = { contain: 'p', inside: 'f' }

function sizeOf({ width, height, fit, gravity }) {
  if (!width && !height) return 'full_size'
  if (!width || !height) return width ? `w${width}` : `h${height}`
  if (BOXES[fit]) return `${BOXES[fit]}${width}x${height}`
  const size = Number(width) === Number(height) ? `x${width}` : `${width}x${height}`
  return gravity ? `${size}-g${gravity}` : size
}

export default defineProvider({
  getImage(src, { modifiers, baseURL = '' }) {
    const quality = modifiers.quality ? `-q${modifiers.quality}` : ''
    const format = (modifiers.format || 'auto').replace('jpeg', 'jpg')
    return { url: `${baseURL}${src}/${sizeOf(modifiers)}${quality}.${format}` }
  },
})
