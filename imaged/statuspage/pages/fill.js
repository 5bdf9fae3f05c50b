// Fills a template with values in the browser, as page_template.py does on the server and by the rules that it states.
// Only what has changed is touched, so that a selection, the focus and the place that one has scrolled to stay.
"use strict";

function lookUp(expression, scope) {
  const [path] = expression.split("|");
  if (path.includes("/")) return path.split("/").map((each) => lookUp(each, scope));
  let value = path.startsWith(".") ? scope.row : scope.values;
  for (const key of path.split(".").filter(Boolean)) {
    value = value !== null && typeof value === "object" && Object.hasOwn(value, key) ? value[key] : null;
  }
  return value;
}

const kindOf = (expression) => expression.split("|")[1];
const written = (expression, scope) => write(kindOf(expression) || "text", lookUp(expression, scope));
const isThere = (value) => (Array.isArray(value) ? value.length > 0 : Boolean(value));

function setText(element, text) {
  if (element.textContent === text) return;
  if (element.firstChild) element.firstChild.nodeValue = text;
  else element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function fill(element, scope) {
  const { text, attr, if: condition, rows } = element.dataset;
  if (condition !== undefined) {
    const hidden = isThere(lookUp(condition.replace(/^!/, ""), scope)) === condition.startsWith("!");
    if (element.hidden !== hidden) element.hidden = hidden;
  }
  for (const each of attr ? attr.split(/\s+/) : []) {
    const cut = each.indexOf("=");
    setAttribute(element, each.slice(0, cut), written(each.slice(cut + 1), scope));
  }
  if (text !== undefined) {
    setText(element, written(text, scope));
    if (kindOf(text) in EXACT) setAttribute(element, "title", writeExactly(kindOf(text), lookUp(text, scope)));
  } else if (rows !== undefined) {
    fillRows(element, scope);
  } else {
    for (const child of element.children) fill(child, scope);
  }
}

function fillRows(element, scope) {
  const { rows, key } = element.dataset;
  const template = element.querySelector("template");
  const named = namedRows((lookUp(rows, scope) || []).slice(0, MOST_ROWS), key, scope);
  const old = new Map();
  for (const row of [...element.children].filter((each) => each !== template)) {
    if (named.has(row.dataset.row)) old.set(row.dataset.row, row);
    else row.remove(); // before the others are looked at: what stays in its order is not moved
  }
  let before = template;
  for (const [name, inner] of named) {
    const row = old.get(name) || template.content.firstElementChild.cloneNode(true);
    setAttribute(row, "data-row", name);
    fill(row, inner);
    if (before.nextElementSibling !== row) before.after(row);
    before = row;
  }
}

function namedRows(items, key, scope) {
  const named = new Map();
  const seen = new Map();
  items.forEach((row, number) => {
    const inner = { values: scope.values, row };
    const name = key ? key.split(/\s+/).map((each) => write("text", lookUp(each, inner))).join(" ") : String(number);
    seen.set(name, (seen.get(name) || 0) + 1);
    named.set(seen.get(name) === 1 ? name : `${name} #${seen.get(name)}`, inner);
  });
  return named;
}
