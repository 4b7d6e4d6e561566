// Elements, numbers and shared state. Text only ever becomes text nodes: no name in the data is read as HTML.

const data = JSON.parse(document.getElementById("data").textContent);

/** An element with attributes, listeners (functions) and children (elements, text, or nothing). */
function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  const nothing = [null, undefined, false];
  element.append(...children.flat(Infinity).filter((child) => !nothing.includes(child)));
  return element;
}

/** Values that parts of the page share; whoever listens is told of every change. */
class Shared {
  constructor(values) {
    this.values = values;
    this.listeners = [];
  }

  set(changes) {
    Object.assign(this.values, changes);
    this.listeners.forEach((listener) => listener(this.values, changes));
  }

  listen(listener) {
    this.listeners.push(listener);
    listener(this.values, this.values);
  }
}

const isNumber = (value) => typeof value === "number";

function fixed(value, digits) {
  return isNumber(value) ? value.toFixed(digits) : "–";
}

function signed(value, digits) {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}`;
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** A name that may break after its underscores and slashes. */
function breakable(name) {
  return name.split(/(?<=[_/])/).flatMap((part) => [part, h("wbr")]);
}

/** A labelled select; options are values, or pairs of a value and its text. */
function picker(label, options, value, change) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const select = h(
    "select",
    { "aria-label": label, change: () => change(select.value) },
    pairs.map(([own, text]) => h("option", { value: own, selected: own === value }, text)),
  );
  return h("label", {}, label, select);
}

/** Buttons of which one is pressed: pairs of a value and its text. */
function choice(label, options, shared, key) {
  const buttons = options.map(([value, text]) =>
    h("button", { type: "button", click: () => shared.set({ [key]: value }) }, text),
  );
  shared.listen((values) =>
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", options[place][0] === values[key])),
  );
  return h("div", { class: "group", role: "group", "aria-label": label }, buttons);
}

function section(id, title, controls, ...children) {
  const heading = h("h2", { id: `${id}-title` }, title);
  return h(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    h("header", {}, heading, controls && h("div", { class: "controls" }, controls)),
    children,
  );
}

/** What the report is, and links to its sections. */
function opening(title, lead, sections, ...more) {
  const links = sections.map((one) => h("a", { href: `#${one.id}` }, one.querySelector("h2").textContent));
  return h(
    "header",
    {},
    h("h1", {}, title),
    h("p", { class: "lead" }, lead),
    links.length > 1 && h("nav", { "aria-label": "Sections" }, links),
    more,
  );
}

/** What it was made from, with what and how. */
function origins() {
  return [
    h(
      "dl",
      { class: "facts" },
      data.facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    data.command && h("div", { class: "command", tabindex: "0" }, h("code", {}, data.command)),
    data.notes.map((note) => h("p", { class: "note" }, note)),
  ];
}

function show(...parts) {
  document.getElementById("page").replaceChildren(...parts);
}
