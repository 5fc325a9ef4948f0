// The map by keyboard: a cross that arrows move, a box it spans, and what it stands on.

const STEP = 14;
const FAR = 56;

const KEYS = [
  ["Arrows", "move the cross; with Shift, further"],
  ["Enter, Space", "select or let go of the point at the cross"],
  ["B", "start a box at the cross; arrows span it, Enter selects what is in it"],
  ["A", "select all points shown"],
  ["+  −  0", "zoom in, zoom out, all in view"],
  ["Esc", "leave the box; again, select nothing"],
];

const WITH_POINTER = [
  ["Drag", "draw a lasso or a box; Shift adds, Alt takes away"],
  ["Click", "select one point"],
  ["Ctrl and scroll, pinch", "zoom; once the map has the focus, scroll is enough"],
  ["Middle button", "move the map, with any tool"],
];

function keyList() {
  const listed = [...KEYS, ...WITH_POINTER].flatMap(([keys, does]) => [
    make("dt", {}, keys),
    make("dd", {}, does),
  ]);
  const summary = make("summary", {}, "Keys");
  return make("details", { class: "dm-keys" }, summary, make("dl", {}, ...listed));
}

class Cross {
  constructor(view) {
    this.view = view;
    this.at = null;
    this.corner = null;
  }

  hear(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const does = {
      ArrowLeft: () => this.move(-1, 0, event.shiftKey),
      ArrowRight: () => this.move(1, 0, event.shiftKey),
      ArrowUp: () => this.move(0, -1, event.shiftKey),
      ArrowDown: () => this.move(0, 1, event.shiftKey),
      Enter: () => this.enter(),
      " ": () => this.enter(),
      b: () => this.box(),
      a: () => this.view.selectAll(),
      "+": () => this.view.zoom(1.5),
      "=": () => this.view.zoom(1.5),
      "-": () => this.view.zoom(1 / 1.5),
      0: () => this.view.fit(),
      Escape: () => this.leave(),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }

  place() {
    const { width, height } = this.view.plane.size;
    this.at = this.at || [width / 2, height / 2];
    return this.at;
  }

  move(x, y, far) {
    const [fromX, fromY] = this.place();
    const { width, height } = this.view.plane.size;
    const step = far ? FAR : STEP;
    this.at = [
      Math.min(Math.max(fromX + x * step, 0), width),
      Math.min(Math.max(fromY + y * step, 0), height),
    ];
    this.look();
  }

  look() {
    this.view.overlay.cross(this.at);
    if (this.corner) return this.view.overlay.shape(boxOf(this.corner, this.at));
    this.view.point(this.view.near(...this.at, 2 * STEP), true);
  }

  box() {
    this.corner = [...this.place()];
    this.view.point(-1);
    this.view.say("Box started: arrows span it, Enter selects, Escape leaves.");
    this.look();
  }

  enter() {
    this.place();
    if (!this.corner) return this.view.flip(this.view.near(...this.at, 2 * STEP));
    this.view.selectWithin(boxOf(this.corner, this.at), "set");
    this.corner = null;
    this.view.overlay.shape(null);
  }

  leave() {
    if (!this.corner) return this.view.clear();
    this.corner = null;
    this.view.overlay.shape(null);
    this.view.say("Box left.");
  }

  hide() {
    this.corner = null;
    this.view.overlay.shape(null);
    this.view.overlay.cross(null);
  }
}
