// Keeps the status page up to date: one fetch of /status.json at a time, a second after the one before, none while hidden.
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;

const page = document.documentElement;
const lost = document.getElementById("lost");
let answeredAt = new Date();
let asking = false;
let alarm = 0;

function show(snapshot) {
  const isAnother = String(snapshot.pid) !== page.dataset.pid || snapshot.version !== page.dataset.version;
  if (isAnother) {
    location.reload(); // another program answers: its page may be another one too
    return;
  }
  answeredAt = new Date();
  page.classList.remove("lost");
  setText(lost, "");
  fill(page, { values: snapshot, row: null });
  const trouble = snapshot.message === "OK" ? (snapshot.alerts[0] || { title: "" }).title : snapshot.message;
  document.title = trouble ? `${trouble} – imaged` : "imaged";
}

function showLost() {
  page.classList.add("lost");
  setText(lost, `no answer since ${answeredAt.toLocaleTimeString()}: what is below is old. Trying again.`);
}

async function update() {
  if (asking || document.hidden) return;
  asking = true;
  let snapshot = null;
  try {
    const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    snapshot = await answer.json();
  } catch {
    showLost();
  }
  asking = false;
  clearTimeout(alarm);
  alarm = setTimeout(update, EVERY_MS);
  if (snapshot) show(snapshot);
}

document.addEventListener("visibilitychange", update);
update();
