// The selected rows as a table, a page at a time.

const PAGE = 10;

class Table {
  constructor(asking, on) {
    this.asking = asking;
    this.on = on;
    this.start = 0;
    this.title = make("h4", { class: "dm-picked-title" });
    this.clear = make("button", { class: "dm-quiet", onclick: () => on.clear() }, "Clear");
    this.body = make("tbody");
    this.back = make("button", { "aria-label": "Previous rows", onclick: () => this.turn(-1) }, "‹");
    this.next = make("button", { "aria-label": "Next rows", onclick: () => this.turn(1) }, "›");
    this.where = make("span", { class: "dm-note" });
    const head = ["", "id", "source", "text"].map((name) =>
      make("th", { scope: "col" }, name || make("span", { class: "dm-unseen-label" }, "colour")),
    );
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), this.body);
    const region = { class: "dm-wide", role: "region", tabindex: "0", "aria-label": "Selected rows" };
    this.wide = make("div", region, table);
    this.pages = make("div", { class: "dm-pages" }, this.back, this.where, this.next);
    const top = make("div", { class: "dm-picked-head" }, this.title, this.clear);
    this.root = make("div", { class: "dm-picked" }, top, this.wide, this.pages);
  }

  turn(by) {
    this.show(this.points, this.start + by * PAGE);
  }

  async show(points, start = 0) {
    this.points = points;
    this.start = start;
    const count = points.length;
    this.title.textContent = count
      ? `${grouped(count)} selected`
      : "Nothing selected: draw around some points";
    this.clear.hidden = this.wide.hidden = !count;
    this.pages.hidden = count <= PAGE;
    const asked = points.slice(start, start + PAGE);
    const end = start + asked.length;
    this.where.textContent = `${grouped(start + 1)} to ${grouped(end)} of ${grouped(count)}`;
    this.back.disabled = start === 0;
    this.next.disabled = end >= count;
    const rows = count ? (await this.asking.ask("rows", asked)).rows : [];
    if (this.points === points && this.start === start) {
      this.body.replaceChildren(...rows.map((row) => this.row(row)));
    }
  }

  row(row) {
    const swatch = make("span", { class: `dm-swatch dm-hue-${this.on.hue(row.code)}` });
    const gone = row.reason && make("span", { class: "dm-gone" }, `${row.reason} `);
    return make(
      "tr",
      { onpointerenter: () => this.on.point(row.point), onpointerleave: () => this.on.point(-1) },
      make("td", {}, swatch),
      make("th", { scope: "row" }, make("bdi", {}, row.id)),
      make("td", {}, make("bdi", {}, row.source || "")),
      make("td", { class: "dm-text", dir: "auto" }, gone || null, make("bdi", {}, row.text || "")),
    );
  }
}
