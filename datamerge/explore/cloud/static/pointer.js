// What the pointer does: pointing, clicking, drawing around points, moving and zooming.

class Pointer {
  constructor(view) {
    this.view = view;
    this.drag = null;
  }

  listen(stage) {
    this.stage = stage;
    const hears = {
      pointerdown: (event) => this.down(event),
      pointermove: (event) => this.over(event),
      pointerup: (event) => this.up(event),
      pointercancel: () => this.drop(),
      pointerleave: () => this.drag || this.view.point(-1),
    };
    for (const [name, hear] of Object.entries(hears)) stage.addEventListener(name, hear);
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  placeOf(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [event.clientX - left - this.stage.clientLeft, event.clientY - top - this.stage.clientTop];
  }

  down(event) {
    if (!this.view.cloud || event.button > 1) return;
    const at = this.placeOf(event);
    const pan = this.view.tools.tool === "pan" || event.button === 1;
    if (event.button === 1) event.preventDefault();
    this.drag = { pan, from: at, last: at, path: [at], far: false };
    this.stage.setPointerCapture(event.pointerId);
    this.view.cross.hide();
    this.view.cross.at = at;
  }

  over(event) {
    const at = this.placeOf(event);
    const { drag } = this;
    if (!drag) return this.view.point(this.view.near(...at));
    drag.far = drag.far || Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > 4;
    if (!drag.far) return;
    this.view.point(-1);
    if (drag.pan) this.view.move(at[0] - drag.last[0], at[1] - drag.last[1]);
    else if (this.view.tools.tool === "box") drag.path = boxOf(drag.from, at);
    else if (Math.hypot(at[0] - drag.last[0], at[1] - drag.last[1]) >= 3) drag.path.push(at);
    else return;
    drag.last = at;
    if (!drag.pan) this.view.overlay.shape(drag.path);
  }

  up(event) {
    const { drag } = this;
    this.drop();
    if (!drag) return;
    const how = event.shiftKey ? "add" : event.altKey ? "take" : "set";
    if (drag.far && !drag.pan) return this.view.selectWithin(drag.path, how);
    if (drag.far || event.button === 1) return;
    const i = this.view.near(...drag.from);
    if (i >= 0) this.view.select([i], how);
    else if (how === "set" && this.view.selected) this.view.clear();
  }

  drop() {
    this.drag = null;
    this.view.overlay.shape(null);
  }

  wheel(event) {
    const pinch = event.ctrlKey || event.metaKey;
    if (!this.view.cloud || (!pinch && !this.stage.matches(":focus"))) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const by = Math.exp(-event.deltaY * lines * (pinch ? 0.01 : 0.0015));
    this.view.zoom(by, ...this.placeOf(event));
  }
}

function boxOf([x, y], [toX, toY]) {
  return [
    [x, y],
    [toX, y],
    [toX, toY],
    [x, toY],
  ];
}
