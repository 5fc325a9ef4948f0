// The map itself: its parts, what is shown, what is selected.

const REACH = 12; // how near, in CSS pixels, a point must be to be meant
const PATIENCE = 20_000; // milliseconds

class MapView {
  constructor(model) {
    this.model = model;
    this.about = model.get("_about");
    this.asking = new Asking(model);
    this.plane = new Plane();
    this.painter = new Painter(this.about, () => this);
    this.selection = new Selection(model, this.about.count);
    [this.pointed, this.bright] = [-1, -1];
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
    this.overlay = new Overlay();
    this.tip = new Tip(this.asking, about);
    this.cross = new Cross(this);
    this.waiting = make("p", { class: "dm-waiting" }, "Loading points …");
    this.stage = this.makeStage();
    this.makeSides();
    this.live = make("p", { class: "dm-live", "aria-live": "polite" });
    const title = make("h3", {}, about.title);
    const notes = make("p", { class: "dm-note" }, about.notes.join(" · "));
    const head = make("header", {}, make("div", { class: "dm-title" }, title, notes), this.tools.root);
    const middle = make("div", { class: "dm-middle" }, this.stage, this.legend.root);
    const parts = [head, middle, this.table.root, keyList(), this.live];
    this.root = make("section", { class: "dm-widget dm-map", "aria-label": about.summary }, ...parts);
    this.tools.use("lasso");
    this.visible = this.readHidden();
    this.legend.show(this.visible);
    this.table.show([]);
  }

  makeStage() {
    const stage = make(
      "div",
      {
        class: "dm-stage",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "map of points",
        "aria-label": `${this.about.summary}. Arrow keys move a cross; Keys, below, lists the rest.`,
        onkeydown: (event) => this.cross.hear(event),
        onblur: () => this.cross.hide(),
      },
      this.painter.canvas,
      this.overlay.root,
      this.waiting,
      this.tip.root,
    );
    new Pointer(this).listen(stage);
    return stage;
  }

  makeSides() {
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
    this.tools = new Tools({
      tool: (name) => (this.stage.dataset.tool = name),
      zoom: (by) => this.zoom(by),
      fit: () => this.fit(),
    });
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

  // ---- what is in view --------------------------------------------------------------------

  draw(moving = false) {
    this.painter.draw(moving);
    if (this.pointed >= 0) this.overlay.at(this.onScreen(this.pointed));
  }

  themed() {
    if (!this.cloud || !this.root.isConnected) return;
    this.colors = this.legend.colors();
    this.ground = packed(getComputedStyle(this.stage).backgroundColor);
    this.draw();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height || !this.cloud) return;
    if (!this.colors) this.themed(); // it was laid out before it was in the page
    this.plane.room(width, height, this.cloud.box);
    this.draw();
  }

  fit() {
    this.plane.fit(this.cloud.box);
    this.draw();
  }

  zoom(by, x, y) {
    this.plane.zoom(by, x, y);
    this.draw(true);
  }

  move(byX, byY) {
    this.plane.move(byX, byY);
    this.draw(true);
  }

  onScreen(i) {
    return this.plane.onScreen(this.cloud.x[i], this.cloud.y[i]);
  }

  near(x, y, reach = REACH) {
    if (!this.cloud) return -1;
    const [px, py] = this.plane.onPlane([x, y]);
    return this.cloud.nearest(px, py, reach / this.plane.scale, this.visible);
  }

  async point(i, spoken = false, quiet = false) {
    if (i === this.pointed && !spoken) return;
    this.pointed = i;
    this.tip.hide();
    this.overlay.at(i >= 0 ? this.onScreen(i) : null);
    if (i < 0 || quiet) return;
    await new Promise((done) => setTimeout(done, 40));
    const row = this.pointed === i ? await this.tip.row(i) : null;
    if (!row || this.pointed !== i) return;
    this.tip.show(row, this.onScreen(i), this.plane.size);
    if (spoken) this.say([row.source, row.reason, row.text].filter(Boolean).join(": ").slice(0, 240));
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
    const outline = corners.map((corner) => this.plane.onPlane(corner));
    this.select(this.cloud.within(outline, this.visible), how);
  }

  flip(i) {
    if (i >= 0) this.select([i], this.selection.has(i) ? "take" : "add");
  }

  clear() {
    this.select([], "set");
  }

  select(points, how) {
    this.selection.change(points, how);
  }

  get selected() {
    return this.selection.points.length;
  }

  maskChanged() {
    if (!this.cloud) return;
    const before = this.selected;
    this.selection.read();
    if (this.selected) this.say(this.selection.told(this.cloud.code, this.about.legend));
    else if (before) this.say("Nothing selected");
    this.table.show(this.selection.points);
    this.draw();
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
