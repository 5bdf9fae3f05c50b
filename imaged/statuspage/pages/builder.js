// The form on /try that makes one name: its controls follow the kind of size and the policy of the namespace.
"use strict";

const policies = JSON.parse(document.body.dataset.policies);
const builder = document.getElementById("builder");
const controls = builder.elements;
let homeUrl = null; // of the picture

const policyOf = (namespace) => policies[Object.hasOwn(policies, namespace) ? namespace : ""];

function optionOf(value, text = value) {
  const option = make("option", "", text);
  option.value = value;
  return option;
}

// Offers the formats and the presets of a namespace for the picture at `url`, which the file shows.
function beginBuilding(namespace, url, file) {
  const { extensions, presets } = policyOf(namespace);
  const { kind, format } = valuesOf();
  controls.format.replaceChildren(...["auto", ...extensions].map((each) => optionOf(each)));
  controls.kind.querySelector("optgroup").replaceChildren(...presets.map((each) => optionOf(each)));
  controls.kind.querySelector("optgroup").hidden = !presets.length;
  if (["auto", ...extensions].includes(format)) controls.format.value = format;
  if (SIDES.has(kind) || presets.includes(kind)) controls.kind.value = kind;
  else controls.kind.value = "w";
  homeUrl = url;
  const shown = document.getElementById("shown");
  if (shown.src) URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(file);
  builder.hidden = false;
  showName();
}

// Numbers are written as the grammar has them: `080` becomes `80`.
function valuesOf() {
  const number = (name) => (controls[name].value === "" ? "" : String(controls[name].valueAsNumber));
  return {
    kind: controls.kind.value, width: number("width"), height: number("height"), gravity: controls.gravity.value,
    x: number("x"), y: number("y"), quality: number("quality"), format: controls.format.value,
  };
}

function showName() {
  const { kind, gravity, x, y } = valuesOf();
  for (const side of ["width", "height"]) controls[side].disabled = !SIDES.get(kind)?.includes(side);
  document.getElementById("gravities").disabled = kind !== "x";
  for (const side of ["x", "y"]) controls[side].disabled = gravity !== "point";
  const mark = document.getElementById("mark");
  mark.hidden = kind !== "x" || gravity !== "point";
  mark.style.left = `${x}%`;
  mark.style.top = `${y}%`;
  const fine = builder.checkValidity();
  const name = fine ? nameOf(valuesOf()) : "";
  controls.make.disabled = !fine;
  document.getElementById("name").textContent = name || "a value is missing or out of range";
  document.getElementById("url").replaceChildren(...(name ? curlOf(`${homeUrl}/${name}`) : []));
}

// A click on the picture sets the focal point, for which the size has to be one that crops.
document.getElementById("shown").addEventListener("click", (event) => {
  const box = event.target.getBoundingClientRect();
  const percent = (at, side) => Math.min(100, Math.max(0, Math.round((100 * at) / side)));
  controls.kind.value = "x";
  controls.gravity.value = "point";
  controls.x.value = percent(event.clientX - box.left, box.width);
  controls.y.value = percent(event.clientY - box.top, box.height);
  showName();
});
document.getElementById("shown").addEventListener("error", (event) => { event.target.parentElement.hidden = true; });
document.getElementById("shown").addEventListener("load", (event) => { event.target.parentElement.hidden = false; });
builder.addEventListener("input", showName);
