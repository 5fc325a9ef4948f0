// What widgets share: making elements, asking the kernel, hearing of the theme.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "path", "circle", "rect", "line"]);

// Strings given as content become text, never markup.
function make(name, attributes = {}, ...content) {
  const made = DRAWN.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  // JupyterLab would take the arrow keys, Enter and Space.
  if (name === "button" || name === "summary" || "tabindex" in attributes) {
    made.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

function icon(...lines) {
  const paths = lines.map((d) => make("path", { d }));
  return make("svg", { viewBox: "0 0 20 20", class: "dm-icon", "aria-hidden": "true" }, ...paths);
}

const grouped = (number) => number.toLocaleString("en");

// Questions to the kernel; each answer goes to the view that asked.
class Asking {
  constructor(model) {
    this.model = model;
    this.name = Math.random().toString(36).slice(2);
    this.last = 0;
    this.waiting = new Map();
    this.hear = (answer, buffers) => {
      if (!answer || answer.to !== this.name) return;
      const done = this.waiting.get(answer.number);
      this.waiting.delete(answer.number);
      if (done) done({ ...answer, buffers: (buffers || []).map(bytes) });
    };
    model.on("msg:custom", this.hear);
  }

  ask(what, about) {
    const number = ++this.last;
    const answered = new Promise((done) => this.waiting.set(number, done));
    this.model.send({ ask: what, about, from: this.name, number });
    return answered;
  }

  close() {
    this.model.off("msg:custom", this.hear);
    this.waiting.clear();
  }
}

function bytes(buffer) {
  if (!buffer) return new Uint8Array(0);
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer.slice(0));
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).slice();
}

// Hosts change their theme by an attribute or a class high up in the page.
function onTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const seen = new MutationObserver(changed);
  const attributeFilter = ["class", "style", "theme", "data-theme", "data-jp-theme-light"];
  for (const node of [document.documentElement, document.body]) {
    seen.observe(node, { attributes: true, attributeFilter });
  }
  system.addEventListener("change", changed);
  return () => {
    seen.disconnect();
    system.removeEventListener("change", changed);
  };
}
