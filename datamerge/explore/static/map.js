// The map itself: a canvas of points, what the pointer does to it, and all around it.

const PAD = 24; // pixels painted beyond each edge, so that discs are cut cleanly
const REACH = 12; // how near, in CSS pixels, a point must be to be meant
const REMEMBERED = 400; // rows whose text is kept
const PATIENCE = 20_000; // milliseconds
const FRAME = 16; // milliseconds that a frame may take while the map moves

const TOOLS = [
  ["lasso", "Lasso", icon("M4 9c0-3 3-5 6-5s6 2 6 4.500-3 4.500-6 4.500-4-1-4-2 1-1.500 2-1c2 1 0 5-3 6")],
  ["box", "Box", icon("M3.500 7V3.500H7M10 3.500h1M13 3.500h3.500V7M16.500 9v2M16.500 13v3.500H13M11 16.500H9M7 16.500H3.500V13M3.500 11V9")],
  ["pan", "Move", icon("M10 2.500v15M2.500 10h15M8 4.500l2-2 2 2M8 15.500l2 2 2-2M4.500 8l-2 2 2 2M15.500 8l2 2-2 2")],
];

class Overlay {
  constructor() {
    this.lasso = make("path", { class: "dm-lasso" });
    this.ring = make("circle", { class: "dm-ring", r: 6 });
    this.lines = make("path", { class: "dm-cross" });
    const marks = [this.lines, this.lasso, this.ring];
    this.root = make("svg", { class: "dm-overlay", "aria-hidden": "true" }, ...marks);
    this.shape(null);
    this.at(null);
    this.cross(null);
  }

  shape(corners) {
    this.lasso.setAttribute("d", corners ? `M${corners.map((c) => c.join(" ")).join("L")}Z` : "");
  }

  at(place) {
    this.ring.style.display = place ? "" : "none";
    if (!place) return;
    this.ring.setAttribute("cx", place[0]);
    this.ring.setAttribute("cy", place[1]);
  }

  cross(place) {
    if (!place) return this.lines.setAttribute("d", "");
    const [x, y] = place;
    this.lines.setAttribute("d", `M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8`);
  }
}

// What is kept lies beneath, and what is rare on top of all.
function rankOf({ hue, count }, all) {
  if (["kept", "missing", "other"].includes(hue)) return 0;
  return count * 100 < all ? 2 : 1;
}

class MapView {
  constructor(model) {
    this.model = model;
    this.about = model.get("_about");
    this.asking = new Asking(model);
    this.rows = new Map();
    this.size = { width: 0, height: 0 };
    this.view = { scale: 1, left: 0, top: 0 };
    this.moved = false;
    this.pointed = -1;
    this.bright = -1;
    this.rank = this.about.legend.map((entry) => rankOf(entry, this.about.count));
    this.build();
    this.changes = [
      ["change:_mask", () => this.maskChanged()],
      ["change:_hidden", () => this.hiddenChanged()],
    ];
    for (const [name, hear] of this.changes) model.on(name, hear);
    this.offTheme = onTheme(() => this.themed());
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this.stage);
  }

  build() {
    const { about } = this;
    this.legend = new LegendList(about, {
      toggle: (code) => this.toggle(code),
      only: (code) => this.only(code),
      pick: (code, add) => this.select(this.all((i) => this.cloud.code[i] === code), add ? "add" : "set"),
      point: (code) => this.brighten(code),
    });
    this.table = new Table(this.asking, {
      clear: () => this.clear(),
      hue: (code) => about.legend[code].hue,
      point: (i) => this.point(i, false, true),
    });
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.overlay = new Overlay();
    this.tip = make("div", { class: "dm-tip", role: "tooltip", hidden: true });
    this.waiting = make("p", { class: "dm-waiting" }, "Loading points …");
    this.cross = new Cross(this);
    this.stage = make(
      "div",
      {
        class: "dm-stage",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "map of points",
        "aria-label": `${about.summary}. Arrow keys move a cross; Keys, below, lists the rest.`,
        onkeydown: (event) => this.cross.hear(event),
        onblur: () => this.cross.hide(),
        onpointerdown: (event) => this.down(event),
        onpointermove: (event) => this.over(event),
        onpointerup: (event) => this.up(event),
        onpointercancel: () => this.drop(),
        onpointerleave: () => this.drag || this.point(-1),
      },
      this.canvas,
      this.overlay.root,
      this.waiting,
      this.tip,
    );
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.live = make("p", { class: "dm-live", "aria-live": "polite" });
    const title = make("h3", {}, about.title);
    const notes = make("p", { class: "dm-note" }, about.notes.join(" · "));
    const head = make("header", {}, make("div", { class: "dm-title" }, title, notes), this.bar());
    const middle = make("div", { class: "dm-middle" }, this.stage, this.legend.root);
    const parts = [head, middle, this.table.root, keyList(), this.live];
    this.root = make("section", { class: "dm-widget dm-map", "aria-label": about.summary }, ...parts);
    this.use("lasso");
    this.visible = this.readHidden();
    this.legend.show(this.visible);
    this.table.show([]);
    this.selected = 0;
  }

  bar() {
    this.tools = TOOLS.map(([name, label, drawn]) =>
      make("button", { "aria-label": label, title: label, onclick: () => this.use(name) }, drawn.cloneNode(true)),
    );
    const does = [
      ["Zoom in", "M10 4v12M4 10h12", () => this.zoom(1.5)],
      ["Zoom out", "M4 10h12", () => this.zoom(1 / 1.5)],
      ["All in view", "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4", () => this.fit()],
    ].map(([label, d, onclick]) => make("button", { "aria-label": label, title: label, onclick }, icon(d)));
    return make(
      "div",
      { class: "dm-bar", role: "toolbar", "aria-label": "Map" },
      make("div", { class: "dm-group" }, ...this.tools),
      make("div", { class: "dm-group" }, ...does),
    );
  }

  use(name) {
    this.tool = name;
    this.stage.dataset.tool = name;
    this.tools.forEach((button, at) => button.setAttribute("aria-pressed", TOOLS[at][0] === name));
  }

  // Points come in as many messages as they need.
  async load() {
    const { count } = this.about;
    const cloud = new Cloud(count);
    const late = setTimeout(() => {
      this.waiting.textContent = "No answer from the kernel: run the cell again to see the map.";
    }, PATIENCE);
    for (let start = 0; start < count; ) {
      const { stop, buffers } = await this.asking.ask("points", start);
      if (this.closed) return;
      cloud.put(start, ...buffers);
      start = stop;
    }
    clearTimeout(late);
    cloud.ready();
    this.cloud = cloud;
    this.waiting.remove();
    this.mask = this.readMask();
    this.themed();
    this.resized();
    this.maskChanged();
    this.root.dataset.ready = "true";
  }

  close() {
    this.closed = true;
    for (const [name, hear] of this.changes) this.model.off(name, hear);
    this.asking.close();
    this.offTheme();
    this.watch.disconnect();
  }

  say(text) {
    this.live.textContent = text;
  }

  // ---- where things are -------------------------------------------------------------------

  resized() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height || !this.cloud) return;
    if (!this.colors) this.themed(); // it was laid out before it was in the page
    const { left, top } = this.view;
    const [byX, byY] = [(width - this.size.width) / 2, (height - this.size.height) / 2];
    this.size = { width, height };
    if (this.moved) this.view = { ...this.view, left: left + byX, top: top + byY };
    else this.fit();
    this.draw();
  }

  fit() {
    const { left, right, top, bottom } = this.cloud.box;
    const { width, height } = this.size;
    const across = Math.max(right - left, 1);
    const down = Math.max(bottom - top, 1);
    const scale = Math.min((width - 40) / across, (height - 40) / down);
    const middle = [(left + right) / 2, (top + bottom) / 2];
    this.view = { scale, left: width / 2 - middle[0] * scale, top: height / 2 - middle[1] * scale };
    this.whole = scale;
    this.moved = false;
    this.draw();
  }

  zoom(by, x = this.size.width / 2, y = this.size.height / 2) {
    const { scale, left, top } = this.view;
    const to = Math.min(Math.max(scale * by, this.whole / 2), this.whole * 400);
    const ratio = to / scale;
    this.view = { scale: to, left: x - (x - left) * ratio, top: y - (y - top) * ratio };
    this.moved = true;
    this.draw(true);
  }

  onScreen(i) {
    const { scale, left, top } = this.view;
    return [this.cloud.x[i] * scale + left, this.cloud.y[i] * scale + top];
  }

  onPlane([x, y]) {
    const { scale, left, top } = this.view;
    return [(x - left) / scale, (y - top) / scale];
  }

  near(x, y, reach = REACH) {
    if (!this.cloud) return -1;
    const [px, py] = this.onPlane([x, y]);
    return this.cloud.nearest(px, py, reach / this.view.scale, this.visible);
  }

  // ---- painting ---------------------------------------------------------------------------

  themed() {
    if (!this.cloud || !this.root.isConnected) return;
    this.colors = this.legend.colors();
    this.ground = packed(getComputedStyle(this.stage).backgroundColor);
    this.draw();
  }

  draw(moving = false) {
    this.moving = moving;
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      if (this.cloud && this.colors && this.size.width) this.paintNow();
    });
  }

  paintNow() {
    const began = performance.now();
    const sharp = Math.min(devicePixelRatio || 1, 2);
    const dense = this.moving && this.cost > FRAME ? 1 : sharp;
    const [width, height] = [this.size.width, this.size.height].map((s) => Math.round(s * dense));
    if (this.canvas.width !== width || this.canvas.height !== height || !this.image) {
      [this.canvas.width, this.canvas.height] = [width, height];
      this.image = new ImageData(width + 2 * PAD, height + 2 * PAD);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(0xff000000 | this.ground);
    this.layers(dense);
    this.canvas.getContext("2d", { alpha: false }).putImageData(this.image, -PAD, -PAD);
    if (this.pointed >= 0) this.overlay.at(this.onScreen(this.pointed));
    performance.measure("datamerge-map-paint", { start: began });
    if (dense === sharp) this.cost = performance.now() - began;
    else this.sharpen();
  }

  // While the map moves it may be painted coarsely; when it rests it is painted as it should be.
  sharpen() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw(), 150);
  }

  layers(dense) {
    const { count } = this.cloud;
    const growth = Math.min((this.view.scale / this.whole) ** 0.4, 4);
    const radius = Math.min(Math.max(9 / count ** 0.17, 1.15) * growth, 7) * dense;
    const opacity = Math.min(Math.max(2.2 / count ** 0.13, 0.5), 0.85);
    const view = {
      scale: this.view.scale * dense,
      left: this.view.left * dense + PAD,
      top: this.view.top * dense + PAD,
    };
    const colors = this.colors.map((color, code) => (this.visible[code] ? color : -1));
    const layer = (disc, wanted) =>
      paint(this.pixels, this.image.width, this.image.height, this.cloud, view, colors, disc, wanted);
    const { mask, bright, cloud } = this;
    if (bright < 0 && !this.selected) {
      layer(discs(radius, opacity * 0.7), (i) => this.rank[cloud.code[i]] === 0);
      layer(discs(radius, opacity), (i) => this.rank[cloud.code[i]] === 1);
      return layer(discs(radius * 1.5, 0.95), (i) => this.rank[cloud.code[i]] === 2);
    }
    const stands =
      bright >= 0 ? (i) => cloud.code[i] === bright : (i) => (mask[i >> 3] >> (i & 7)) & 1;
    layer(discs(radius, opacity * 0.18), (i) => !stands(i));
    layer(discs(radius + 0.4 * dense, Math.min(opacity + 0.25, 1)), stands);
  }

  // ---- what is shown, what is selected ----------------------------------------------------

  readHidden() {
    const hidden = new Set(this.model.get("_hidden"));
    return this.about.legend.map((_, code) => !hidden.has(code));
  }

  hide(codes) {
    this.model.set("_hidden", codes);
    this.model.save_changes();
  }

  toggle(code) {
    if (code === null) return this.hide([]);
    const hidden = new Set(this.model.get("_hidden"));
    if (!hidden.delete(code)) hidden.add(code);
    this.hide([...hidden]);
  }

  only(code) {
    const others = this.about.legend.map((_, at) => at).filter((at) => at !== code);
    const already = others.every((at) => !this.visible[at]) && this.visible[code];
    this.hide(already ? [] : others);
  }

  hiddenChanged() {
    this.visible = this.readHidden();
    this.legend.show(this.visible);
    const shown = this.about.legend.filter((_, code) => this.visible[code]);
    const points = shown.reduce((sum, entry) => sum + entry.count, 0);
    const names = shown.map((entry) => entry.label).join(", ") || "none";
    this.say(`${grouped(points)} of ${grouped(this.about.count)} points shown: ${names}`);
    this.point(-1);
    this.draw();
  }

  brighten(code) {
    this.bright = code >= 0 && this.visible[code] ? code : -1;
    this.draw();
  }

  all(wanted) {
    const found = [];
    for (let i = 0; i < this.cloud.count; i++) if (wanted(i)) found.push(i);
    return found;
  }

  selectAll() {
    this.select(this.all((i) => this.visible[this.cloud.code[i]]), "set");
  }

  selectWithin(corners, how) {
    const outline = corners.map((corner) => this.onPlane(corner));
    this.select(this.cloud.within(outline, this.visible), how);
  }

  flip(i) {
    if (i >= 0) this.select([i], (this.mask[i >> 3] >> (i & 7)) & 1 ? "take" : "add");
  }

  clear() {
    this.select([], "set");
  }

  select(points, how) {
    const mask = how === "set" ? new Uint8Array(this.mask.length) : this.mask.slice();
    for (const i of points) {
      if (how === "take") mask[i >> 3] &= ~(1 << (i & 7));
      else mask[i >> 3] |= 1 << (i & 7);
    }
    this.model.set("_mask", new DataView(mask.buffer));
    this.model.save_changes();
  }

  readMask() {
    const mask = new Uint8Array((this.about.count + 7) >> 3);
    mask.set(bytes(this.model.get("_mask")).subarray(0, mask.length));
    return mask;
  }

  maskChanged() {
    if (!this.cloud) return;
    this.mask = this.readMask();
    const counts = this.about.legend.map(() => 0);
    const points = this.all((i) => (this.mask[i >> 3] >> (i & 7)) & 1);
    for (const i of points) counts[this.cloud.code[i]]++;
    const selected = points.length;
    const by = this.about.legend.flatMap((entry, code) =>
      counts[code] ? [`${entry.label} ${grouped(counts[code])}`] : [],
    );
    if (selected || this.selected) {
      this.say(selected ? `${grouped(selected)} selected: ${by.join(", ")}` : "Nothing selected");
    }
    this.selected = selected;
    this.table.show(points);
    this.draw();
  }

  // ---- one row ----------------------------------------------------------------------------

  async point(i, spoken = false, quiet = false) {
    if (i === this.pointed && !spoken) return;
    this.pointed = i;
    this.tip.hidden = true;
    this.overlay.at(i >= 0 ? this.onScreen(i) : null);
    if (i < 0 || quiet) return;
    await new Promise((done) => setTimeout(done, 40));
    const row = this.pointed === i ? await this.row(i) : null;
    if (!row || this.pointed !== i) return;
    this.tell(i, row);
    if (spoken) this.say([row.source, row.reason, row.text].filter(Boolean).join(": ").slice(0, 240));
  }

  async row(i) {
    if (!this.rows.has(i)) {
      if (this.rows.size >= REMEMBERED) this.rows.delete(this.rows.keys().next().value);
      this.rows.set(i, (await this.asking.ask("row", i)).row);
    }
    return this.rows.get(i);
  }

  tell(i, row) {
    const { label, hue } = this.about.legend[row.code];
    const swatch = make("span", { class: `dm-swatch dm-hue-${hue}` });
    const named = row.source || label;
    const head = make("p", { class: "dm-tip-head" }, swatch, make("bdi", {}, named));
    const id = make("p", { class: "dm-tip-id" }, make("bdi", {}, row.id));
    const value = this.about.color !== "source" && this.about.color !== "reason";
    const told = value ? make("p", { class: "dm-note" }, `${this.about.color}: `, make("bdi", {}, label)) : null;
    const why = [row.reason, row.detail].filter(Boolean).join(": ");
    const gone = row.reason ? make("p", { class: "dm-gone" }, make("bdi", {}, why)) : null;
    const text = make("p", { class: "dm-text", dir: "auto" }, row.text || "");
    this.tip.replaceChildren(...[head, id, told, gone, text].filter(Boolean));
    this.tip.hidden = false;
    const [x, y] = this.onScreen(i);
    const { offsetWidth: wide, offsetHeight: high } = this.tip;
    const right = x + 14 + wide <= this.size.width ? x + 14 : Math.max(x - 14 - wide, 4);
    const below = Math.min(Math.max(y - high / 2, 4), Math.max(this.size.height - high - 4, 4));
    this.tip.style.transform = `translate(${Math.round(right)}px, ${Math.round(below)}px)`;
  }

  // ---- the pointer ------------------------------------------------------------------------

  placeOf(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [event.clientX - left - this.stage.clientLeft, event.clientY - top - this.stage.clientTop];
  }

  down(event) {
    if (!this.cloud || event.button > 1) return;
    const at = this.placeOf(event);
    const pan = this.tool === "pan" || event.button === 1;
    if (event.button === 1) event.preventDefault();
    this.drag = { pan, from: at, last: at, path: [at], far: false };
    this.stage.setPointerCapture(event.pointerId);
    this.cross.hide();
    this.cross.at = at;
  }

  over(event) {
    const at = this.placeOf(event);
    if (!this.drag) return this.point(this.near(...at));
    const { drag } = this;
    drag.far = drag.far || Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > 4;
    if (!drag.far) return;
    this.point(-1);
    if (drag.pan) {
      this.view.left += at[0] - drag.last[0];
      this.view.top += at[1] - drag.last[1];
      this.moved = true;
      this.draw(true);
    } else if (this.tool === "box") {
      drag.path = boxOf(drag.from, at);
    } else if (Math.hypot(at[0] - drag.last[0], at[1] - drag.last[1]) >= 3) {
      drag.path.push(at);
    } else return;
    drag.last = at;
    if (!drag.pan) this.overlay.shape(drag.path);
  }

  up(event) {
    const { drag } = this;
    this.drop();
    if (!drag) return;
    const how = event.shiftKey ? "add" : event.altKey ? "take" : "set";
    if (drag.far && !drag.pan) return this.selectWithin(drag.path, how);
    if (drag.far || event.button === 1) return;
    const i = this.near(...drag.from);
    if (i >= 0) this.select([i], how);
    else if (how === "set" && this.selected) this.clear();
  }

  drop() {
    this.drag = null;
    this.overlay.shape(null);
  }

  wheel(event) {
    const pinch = event.ctrlKey || event.metaKey;
    if (!this.cloud || (!pinch && !this.stage.matches(":focus"))) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoom(Math.exp(-event.deltaY * lines * (pinch ? 0.01 : 0.0015)), ...this.placeOf(event));
  }
}

export default {
  render({ model, el }) {
    const view = new MapView(model);
    el.append(view.root);
    view.load();
    return () => view.close();
  },
};
