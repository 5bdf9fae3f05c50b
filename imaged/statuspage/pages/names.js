// Makes the name of an output from the values of a form, by the grammar of docs/names.md.
"use strict";

// The sides that each kind of size asks for. Any other kind is a preset; x is filled, and has a gravity, too.
const SIDES = new Map(Object.entries({
  w: ["width"], h: ["height"], f: ["width", "height"], p: ["width", "height"], x: ["width", "height"], full_size: [],
}));

function sizeOf({ kind, width, height, gravity, x, y }) {
  if (!SIDES.get(kind)?.length) return kind;
  if (kind === "w") return `w${width}`;
  if (kind === "h") return `h${height}`;
  if (kind !== "x") return `${kind}${width}x${height}`;
  const size = width === height ? `x${width}` : `${width}x${height}`;
  if (!gravity) return size;
  return `${size}-g${gravity === "point" ? `${x}x${y}` : gravity}`;
}

const nameOf = (values) => `${sizeOf(values)}${values.quality ? `-q${values.quality}` : ""}.${values.format}`;
