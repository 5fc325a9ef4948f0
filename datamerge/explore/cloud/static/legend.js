// The legend: what is shown, and a way to select a whole colour without a pointer.

class LegendList {
  constructor(about, on) {
    this.on = on;
    this.rows = about.legend.map((entry, code) => this.entry(entry, code));
    const list = make("ul", { class: "dm-legend" }, ...this.rows.map((row) => row.item));
    const all = make("button", { class: "dm-quiet", onclick: () => on.toggle(null) }, "Show all");
    this.all = all;
    this.root = make(
      "div",
      { class: "dm-aside", role: "group", "aria-label": `Colours: ${about.color}` },
      make("div", { class: "dm-aside-head" }, make("h4", {}, about.color), all),
      list,
    );
  }

  entry(entry, code) {
    const swatch = make("span", { class: `dm-swatch dm-hue-${entry.hue}`, "aria-hidden": "true" });
    const name = make("bdi", { class: "dm-label" }, entry.label);
    const count = make("span", { class: "dm-count" }, grouped(entry.count));
    const toggle = make(
      "button",
      {
        class: "dm-toggle",
        title: `${entry.label}: show or hide; with Alt, show only this`,
        onclick: (event) => (event.altKey ? this.on.only(code) : this.on.toggle(code)),
        onpointerenter: () => this.on.point(code),
        onpointerleave: () => this.on.point(-1),
        onfocus: (event) => event.target.matches(":focus-visible") && this.on.point(code),
        onblur: () => this.on.point(-1),
      },
      swatch,
      name,
      count,
    );
    const pick = make(
      "button",
      {
        class: "dm-pick",
        "aria-label": `Select ${entry.label}`,
        title: "Select these; with Shift, add them",
        onclick: (event) => this.on.pick(code, event.shiftKey),
      },
      "select",
    );
    return { item: make("li", {}, toggle, pick), toggle, swatch };
  }

  show(visible) {
    this.rows.forEach(({ toggle }, code) => toggle.setAttribute("aria-pressed", !!visible[code]));
    this.all.hidden = visible.every((shown) => shown);
  }

  // The colours as the theme has them, 0xBBGGRR.
  colors() {
    return this.rows.map(({ swatch }) => packed(getComputedStyle(swatch).backgroundColor));
  }
}

function packed(color) {
  const [red, green, blue] = color.match(/[\d.]+/g).map(Number);
  return (blue << 16) | (green << 8) | red;
}
