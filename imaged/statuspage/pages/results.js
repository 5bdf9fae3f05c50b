// Builds the parts of /try: facts, outputs, and lines for a shell. Text from outside never becomes markup.
"use strict";

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function factsOf(facts) {
  return Object.entries(facts).filter(([, value]) => value).map(([name, value]) => {
    const fact = make("div");
    fact.append(make("dt", "", name), make("dd", "", value));
    return fact;
  });
}

// Inside '…' a shell takes everything for itself but the quote that ends it.
const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

// The token itself is not shown: the line takes it from a variable of the shell.
const withToken = `-H "Authorization: Bearer $IMAGED_TOKEN" `;
const postLine = (name, url, hasToken) =>
  `curl ${hasToken ? withToken : ""}--data-binary ${quoted(name === "-" ? "@./-" : `@${name}`)} ${quoted(url)}`;
const getLine = (name, url) => `curl -o ${quoted(name)} ${quoted(url)}`;

function curlOf(line) {
  const code = make("code", "mono", line);
  const button = make("button", "", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy: ${line}`);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(line, code)) ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return [code, button];
}

// The clipboard is there on localhost and over TLS alone; elsewhere the older way may do, and at least it selects.
async function copy(line, code) {
  try {
    await navigator.clipboard.writeText(line);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

// Server-Timing, `decode;dur=1.5, total;dur=9`, as [name, milliseconds] pairs.
function spansOf(header) {
  return (header || "").split(",").map((each) => each.trim().match(/^([\w-]+);dur=([\d.]+)$/)).filter(Boolean)
    .map(([, name, ms]) => [name, Number(ms)]);
}

const milliseconds = (ms) => {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
};

function bytes(number) {
  const prefixes = ["B", "kB", "MB", "GB"];
  let value = number;
  while (value >= 999.5 && prefixes.length > 1) {
    value /= 1000;
    prefixes.shift();
  }
  return `${number < 999.5 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${prefixes[0]}`;
}

const exactBytes = (number) => `${number.toLocaleString("en")} bytes`;

// How long an answer took: as the server says if it does, else as it was measured here, the network included.
function timeOf(headers, measuredMs) {
  const spans = spansOf(headers.get("Server-Timing"));
  const total = spans.find(([name]) => name === "total");
  const text = total ? milliseconds(total[1]) : `${milliseconds(measuredMs)}, measured here`;
  const parts = spans.filter(([name]) => name !== "total").map(([name, ms]) => `${name} ${milliseconds(ms)}`);
  return { text, parts: parts.join(" · ") || (total ? "from the store" : "") };
}

// A card for one output, which is shown at once and filled when the output is there.
class Result {
  constructor(name, url) {
    this.url = url;
    this.element = make("article", "panel result");
    this.picture = make("div", "picture", "waiting …");
    this.facts = make("dl", "facts");
    this.spans = make("p", "spans");
    this.link = make("a", "url mono");
    this.link.target = "_blank";
    this.link.rel = "noopener";
    this.curl = make("div", "curl");
    this.name = name;
    this.show(url);
    this.element.append(make("h2", "", name), this.picture, this.link, this.facts, this.spans, this.curl);
  }

  // Shows a URL of the output, which may be a signed one.
  show(url) {
    this.link.textContent = url;
    this.link.href = url;
    this.curl.replaceChildren(...curlOf(getLine(this.name.replaceAll("/", "_"), url)));
  }

  async fill(blob, time, requestId) {
    const image = make("img");
    image.alt = "The output";
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
      this.picture.replaceChildren(image);
    } catch {
      this.picture.replaceChildren(make("span", "broken", "this browser cannot show it"));
    }
    const size = image.naturalWidth ? `${image.naturalWidth} × ${image.naturalHeight} px` : "";
    this.facts.replaceChildren(...factsOf({ size, bytes: bytes(blob.size), type: blob.type, time: time.text }));
    this.facts.title = [exactBytes(blob.size), requestId && `request ${requestId}`].filter(Boolean).join(", ");
    this.spans.textContent = time.parts;
  }

  fail(text) {
    this.picture.replaceChildren(make("span", "broken", text));
  }

  close() {
    const image = this.picture.querySelector("img");
    if (image) URL.revokeObjectURL(image.src);
    this.element.remove();
  }
}
