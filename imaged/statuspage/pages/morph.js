// Changes an element into a fresh one of the same name. It touches only the nodes that differ, so that a selection, the
// focus and scroll positions stay. Children with `data-key` are rows: a row keeps its element as long as its key exists.
"use strict";

function morph(element, fresh) {
  if (element.isEqualNode(fresh)) return;
  for (const { name } of [...element.attributes]) {
    if (!fresh.hasAttribute(name)) element.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  morphChildren(element, fresh);
}

function morphChildren(parent, fresh) {
  const rows = keepRows(parent, fresh);
  let place = parent.firstChild;
  for (const next of [...fresh.childNodes]) {
    const same = isRow(next) ? rows.get(next) : place && !isRow(place) && place.nodeName === next.nodeName && place;
    if (same && same === place) place = place.nextSibling;
    else parent.insertBefore(same || next, place);
    if (!same) continue;
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, next);
    else if (same.nodeValue !== next.nodeValue) same.nodeValue = next.nodeValue;
  }
  while (place) {
    const last = place;
    place = place.nextSibling;
    last.remove();
  }
}

const isRow = (node) => node.dataset !== undefined && "key" in node.dataset;

// Pairs each fresh row with the old row of its key; rows of one key keep their order. The old rows without a partner
// are removed first, so that the others do not move.
function keepRows(parent, fresh) {
  const waiting = new Map();
  for (const row of [...fresh.children].filter(isRow)) {
    waiting.set(row.dataset.key, [...(waiting.get(row.dataset.key) || []), row]);
  }
  const kept = new Map();
  for (const row of [...parent.children].filter(isRow)) {
    const partner = waiting.get(row.dataset.key)?.shift();
    if (partner) kept.set(partner, row);
    else row.remove();
  }
  return kept;
}
