// Keeps the status page up to date: fetches it again a second after the last answer, and never while it is hidden.
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;

const page = document.documentElement;
let answeredAt = new Date();
let asking = false;
let alarm = 0;

function show(fresh) {
  const { pid, version } = fresh.documentElement.dataset;
  if (pid === undefined) throw new Error("this is not the status page");
  if (pid !== page.dataset.pid || version !== page.dataset.version) {
    location.reload(); // another process answers, and its style and script may differ
    return;
  }
  answeredAt = new Date();
  page.classList.remove("lost");
  morph(document.body, fresh.body);
  document.title = fresh.title;
}

function showLost() {
  page.classList.add("lost");
  const text = `no answer since ${answeredAt.toLocaleTimeString()}: the figures below are old. Trying again.`;
  const lost = document.getElementById("lost");
  if (lost.textContent !== text) lost.textContent = text;
}

async function update() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    showLost();
  }
  asking = false;
  clearTimeout(alarm);
  alarm = setTimeout(update, EVERY_MS);
}

document.addEventListener("visibilitychange", update);
update();
