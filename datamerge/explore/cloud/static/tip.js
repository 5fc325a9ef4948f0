// What a row says, beside its point.

const REMEMBERED = 400; // rows whose text is kept

class Tip {
  constructor(asking, about) {
    this.asking = asking;
    this.about = about;
    this.rows = new Map();
    this.root = make("div", { class: "dm-tip", role: "tooltip", hidden: true });
  }

  hide() {
    this.root.hidden = true;
  }

  async row(i) {
    if (!this.rows.has(i)) {
      if (this.rows.size >= REMEMBERED) this.rows.delete(this.rows.keys().next().value);
      this.rows.set(i, (await this.asking.ask("row", i)).row);
    }
    return this.rows.get(i);
  }

  show(row, [x, y], size) {
    this.root.replaceChildren(...this.lines(row));
    this.root.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = this.root;
    const right = x + 14 + wide <= size.width ? x + 14 : Math.max(x - 14 - wide, 4);
    const below = Math.min(Math.max(y - high / 2, 4), Math.max(size.height - high - 4, 4));
    this.root.style.transform = `translate(${Math.round(right)}px, ${Math.round(below)}px)`;
  }

  lines(row) {
    const { label, hue } = this.about.legend[row.code];
    const swatch = make("span", { class: `dm-swatch dm-hue-${hue}` });
    const head = make("p", { class: "dm-tip-head" }, swatch, make("bdi", {}, row.source || label));
    const id = make("p", { class: "dm-tip-id" }, make("bdi", {}, row.id));
    const why = [row.reason, row.detail].filter(Boolean).join(": ");
    const gone = row.reason ? make("p", { class: "dm-gone" }, make("bdi", {}, why)) : null;
    const text = make("p", { class: "dm-text", dir: "auto" }, row.text || "");
    return [head, id, this.value(label), gone, text].filter(Boolean);
  }

  // What colours the point, where the other lines do not say it.
  value(label) {
    const { color } = this.about;
    if (color === "source" || color === "reason") return null;
    return make("p", { class: "dm-note" }, `${color}: `, make("bdi", {}, label));
  }
}
