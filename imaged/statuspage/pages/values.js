// How a page writes the figures of a snapshot: page_values.py of the daemon, once more. A test holds the two together.
"use strict";

const NOTHING = "–";
const MOST_ROWS = 100;
const CHART_POINTS = 90;
const CHART_HEIGHT = 240;

const rounded = (value) => Math.floor(value + 0.5);
const tenths = (value) => {
  const whole = rounded(value * 10);
  return `${Math.floor(whole / 10)}.${whole % 10}`;
};
const thousandths = (value) => {
  const whole = rounded(value * 1000);
  return `${Math.floor(whole / 1000)}.${String(whole % 1000).padStart(3, "0")}`;
};
const threeDigits = (value) => (value < 99.95 ? tenths(value) : String(rounded(value)));
const highestOf = (points) => points.reduce((highest, value) => Math.max(highest, value), 0);

const KINDS = {
  text: (value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value)),
  count: (value) => String(rounded(value)).replace(/\B(?=(\d{3})+$)/g, ","),
  bytes(value) {
    if (value < 1000) return `${rounded(value)} B`;
    for (const prefix of ["kB", "MB", "GB", "TB"]) {
      value /= 1000;
      if (value < 999.5) return `${threeDigits(value)} ${prefix}`;
    }
    return `${threeDigits(value / 1000)} PB`;
  },
  duration(seconds) {
    if (seconds < 0.9995) return `${rounded(seconds * 1000)} ms`;
    if (seconds < 59.5) return `${seconds < 9.95 ? tenths(seconds) : rounded(seconds)} s`;
    const whole = rounded(seconds);
    for (const [unit, name, smaller, itsName] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"]]) {
      if (whole >= unit) return `${Math.floor(whole / unit)} ${name} ${Math.floor((whole % unit) / smaller)} ${itsName}`;
    }
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  },
  rate(perS) {
    if (perS === 0) return "0/s";
    if (perS < 0.995) return `0.${String(Math.max(1, rounded(perS * 100))).padStart(2, "0")}/s`;
    return `${perS < 999.5 ? threeDigits(perS) : KINDS.count(perS)}/s`;
  },
  byterate: (perS) => `${KINDS.bytes(perS)}/s`,
  time: (moment) => `${moment.slice(0, 10)} ${moment.slice(11, 19)}${moment.endsWith("+00:00") ? " UTC" : ""}`,
  blame: (status) => (status >= 500 ? "failed" : "refused"),
  outcome: (ok) => (ok ? "taken" : "refused, nothing has changed"),
  joined: (values) => values.map(KINDS.text).join(", "),
  more: (rows) => (rows.length > MOST_ROWS ? `and ${KINDS.count(rows.length - MOST_ROWS)} more` : ""),
  peak: (points) => KINDS.count(highestOf(points)),
  bytepeak: (points) => KINDS.bytes(highestOf(points)),
  bars(points) {
    points = points.slice(-CHART_POINTS);
    const highest = highestOf(points);
    const first = CHART_POINTS - points.length;
    return points.map((value, place) => {
      if (!value) return "";
      const height = Math.max(8, rounded((value * CHART_HEIGHT) / highest));
      return `M${first + place} ${CHART_HEIGHT}v-${height}h.8v${height}z`;
    }).join("");
  },
  share: ([part, whole]) => (part && whole ? String(rounded((100 * Math.min(part, whole)) / whole)) : "0"),
};

const SILENT = new Set(["bars", "more"]);

const EXACT = {
  bytes: (value) => `${KINDS.count(value)} bytes`,
  byterate: (value) => `${KINDS.count(value)} bytes/s`,
  duration: (value) => `${thousandths(value)} s`,
  time: (value) => value,
};

const isNothing = (value) => value === null || value === undefined;
const write = (kind, value) => {
  if (isNothing(value)) return SILENT.has(kind) ? "" : NOTHING;
  return KINDS[kind](value);
};
const writeExactly = (kind, value) => (!isNothing(value) && kind in EXACT ? EXACT[kind](value) : "");
