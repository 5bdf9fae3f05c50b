'use client'

// The loader of next/image. `src` is the path of a picture, as in the answer to its POST: /p/f84/0ee/339…
const HOST = process.env.NEXT_PUBLIC_IMAGED ?? 'https://img.example.com'

export default function imagedLoader({ src, width, quality }) {
  return `${HOST}${src}/w${width}${quality ? `-q${quality}` : ''}.auto`
}
