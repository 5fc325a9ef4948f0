// The clusters, a page at a time, in the order asked for.

const ORDERS = [
  ["size", "largest first"],
  ["score", "most similar first"],
  ["doubt", "most doubtful first"],
];

class List {
  constructor(on) {
    this.on = on;
    this.name = `dm-${Math.random().toString(36).slice(2)}`;
    const options = ORDERS.map(([value, label]) => make("option", { value }, label));
    this.order = make(
      "select",
      { "aria-label": "Order of clusters", "data-lm-suppress-shortcuts": "true", onchange: () => on.order(this.order.value) },
      ...options,
    );
    this.title = make("h4", {});
    const key = make("kbd", { "aria-hidden": "true" }, "G");
    this.stale = make("button", { class: "dm-quiet dm-stale", hidden: true, onclick: () => on.fresh() }, "Refresh after decisions", key);
    this.said = new Map();
    this.items = make("ul", {
      class: "dm-clusters", role: "listbox", tabindex: "0", "aria-label": "Clusters of duplicates",
    });
    this.back = make("button", { "aria-label": "Previous clusters", onclick: () => on.page(-1) }, "‹");
    this.next = make("button", { "aria-label": "Next clusters", onclick: () => on.page(1) }, "›");
    this.where = make("span", { class: "dm-note" });
    this.pages = make("div", { class: "dm-pages" }, this.back, this.where, this.next);
    const head = make("div", { class: "dm-list-head" }, this.title, this.order);
    this.root = make("div", { class: "dm-list" }, head, this.stale, this.items, this.pages);
    this.clusters = [];
  }

  show({ clusters, start, count, by, stale }) {
    Object.assign(this, { clusters, start, count });
    this.order.value = by;
    this.stale.hidden = !stale;
    this.title.textContent = count === 1 ? "1 cluster" : `${grouped(count)} clusters`;
    const end = start + clusters.length;
    this.where.textContent = `${grouped(start + 1)} to ${grouped(end)}`;
    this.pages.hidden = count <= clusters.length;
    this.back.disabled = start === 0;
    this.next.disabled = end >= count;
    this.lines = clusters.map((cluster, at) => this.line(cluster, at));
    this.items.replaceChildren(...this.lines);
    this.items.removeAttribute("aria-activedescendant");
  }

  line(cluster, at) {
    const { size, low, high } = cluster;
    const scores = Number.isNaN(low) || low === null ? "" : low === high ? low.toFixed(3) : `${low.toFixed(3)} to ${high.toFixed(3)}`;
    const known = this.said.get(cluster.row) || make("bdi", {}, cluster.id);
    const text = make("span", { class: "dm-excerpt", dir: "auto" }, known);
    const line = make(
      "li",
      { role: "option", id: `${this.name}-${at}`, "aria-selected": "false", onclick: () => this.on.open(at) },
      make("span", { class: "dm-size", title: `${grouped(size)} rows` }, grouped(size), make("span", { class: "dm-unseen-label" }, " rows: ")),
      text,
      make("span", { class: "dm-sub" }, make("bdi", {}, cluster.source), scores && ` · ${scores}`),
    );
    line.excerpt = text;
    return line;
  }

  texts(found) {
    if (this.said.size > 2000) this.said.clear();
    for (const [row, text] of found) if (text) this.said.set(row, text);
    this.clusters.forEach(({ row }, at) => {
      if (this.said.has(row)) this.lines[at].excerpt.textContent = this.said.get(row);
    });
  }

  pick(at) {
    this.at = at;
    this.lines.forEach((line, one) => line.setAttribute("aria-selected", String(one === at)));
    if (!this.lines[at]) return;
    this.items.setAttribute("aria-activedescendant", this.lines[at].id);
    const { offsetTop: top, offsetHeight: high } = this.lines[at];
    const { scrollTop, clientHeight } = this.items;
    if (top < scrollTop) this.items.scrollTop = top;
    else if (top + high > scrollTop + clientHeight) this.items.scrollTop = top + high - clientHeight;
  }
}
