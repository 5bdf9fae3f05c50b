// Posts a picture to the public port and requests its outputs one after the other, so that none waits for another.
"use strict";

const publicUrl = document.body.dataset.public;
const field = (id) => document.getElementById(id);
let picture = null;
let run = null; // an AbortController
let results = [];

// Without a Content-Type, the browser sends no OPTIONS request first, and the server finds the type by the bytes.
const bytesOf = (file) => new Blob([file], { type: "" });

// The settings say whether posts need a token: then the form has a field for it. Nothing else keeps it.
const authorization = () => {
  const token = field("token")?.value.trim();
  return token ? { Authorization: `Bearer ${token}` } : {};
};

// As browsers ask for the picture of an <img>; fetch alone would ask for */*, which gets no modern format from auto.
const PICTURES = { headers: { Accept: "image/avif,image/webp,*/*;q=0.8" } };

async function ask(url, options) {
  const began = performance.now();
  let answer;
  try {
    answer = await fetch(url, { ...options, signal: run.signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`no answer from ${url}: is the public port reached from here under this name?`);
  }
  const blob = await answer.blob();
  const measuredMs = performance.now() - began;
  if (!answer.ok) {
    const error = new Error(`${answer.status}: ${errorIn(await blob.text())}`);
    throw Object.assign(error, { status: answer.status });
  }
  return { blob, time: timeOf(answer.headers, measuredMs), requestId: answer.headers.get("X-Request-Id") };
}

function errorIn(text) {
  try {
    return String(JSON.parse(text).error);
  } catch {
    return text.slice(0, 500);
  }
}

async function makeAll(file) {
  run?.abort();
  run = new AbortController();
  const { signal } = run;
  picture = file;
  field("again").disabled = false;
  results.forEach((each) => each.close());
  results = [];
  field("original").hidden = false;
  field("facts").replaceChildren();
  const namespace = field("namespace").value.trim();
  const postUrl = `${publicUrl}/${encodeURIComponent(namespace)}`;
  field("post").replaceChildren(...curlOf(postLine(file.name, postUrl, field("token") !== null)));
  say(`posting ${file.name} …`);
  try {
    const { blob, time } = await ask(postUrl, { method: "POST", body: bytesOf(file), headers: authorization() });
    const info = JSON.parse(await blob.text());
    showOriginal(file, info, time);
    beginBuilding(namespace, `${postUrl}/${info.partitionedHash}`, file);
    await showOutputs(`${postUrl}/${info.partitionedHash}`);
    say("");
  } catch (error) {
    if (!signal.aborted) say(error.message, true);
  }
}

function showOriginal(file, info, time) {
  field("facts").replaceChildren(...factsOf({
    file: file.name, hash: info.hash, size: `${info.width} × ${info.height} px`, bytes: bytes(info.size),
    type: info.content_type, "taken in": time.text, "of which": time.parts,
  }));
  say("making the outputs …");
}

async function showOutputs(home) {
  const { signal } = run;
  const names = [...new Set(field("outputs").value.split(/[\s,]+/).filter(Boolean))];
  results = names.map((name) => new Result(name, `${home}/${encodeURIComponent(name)}`));
  field("results").replaceChildren(...results.map((each) => each.element));
  for (const result of [...results]) await fillFrom(result, signal);
}

// The settings do not list every output. A token may order any, and the answer to the order has its signed URL. The
// status port signs nothing: it needs no token, so all who reach it would get any output.
async function askSigned(result, refusal) {
  if (!authorization().Authorization) throw new Error(`${refusal.message}. ${document.body.dataset.unsigned}`);
  const [home, name] = result.url.split(/\/(?=[^/]*$)/);
  const order = { method: "POST", headers: authorization() };
  const { blob } = await ask(`${home}/process?outputs=${name}`, order);
  const [row] = JSON.parse(await blob.text()).outputs;
  if (row.state !== "ready") throw new Error(`${row.status}: ${row.error}`);
  result.show(`${publicUrl}${row.url}`);
  return ask(`${publicUrl}${row.url}`, PICTURES);
}

async function fillFrom(result, signal) {
  try {
    const { blob, time, requestId } = await ask(result.url, PICTURES).catch((error) => {
      if (error.status !== 403) throw error;
      return askSigned(result, error);
    });
    await result.fill(blob, time, requestId);
  } catch (error) {
    if (signal.aborted) throw error;
    result.fail(error.message);
  }
}

// The newest output of the builder is the first; one of the same name is made again.
async function makeOne(name) {
  const { signal } = run;
  const result = new Result(name, `${homeUrl}/${name}`);
  results.filter((each) => each.url === result.url).forEach((each) => each.close());
  results = [result, ...results.filter((each) => each.url !== result.url)];
  field("results").prepend(result.element);
  await fillFrom(result, signal).catch(() => {}); // another picture has come
}

function say(text, isFault = false) {
  field("state").textContent = text;
  field("state").className = isFault ? "broken" : "";
}

function take(files) {
  if (!publicUrl || !files?.length || !field("form").reportValidity()) return;
  makeAll(files[0]);
}

const drop = field("drop");
field("file").addEventListener("change", (event) => take(event.target.files));
field("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (picture) take([picture]);
});
builder.addEventListener("submit", (event) => {
  event.preventDefault();
  if (builder.checkValidity()) makeOne(nameOf(valuesOf()));
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});
