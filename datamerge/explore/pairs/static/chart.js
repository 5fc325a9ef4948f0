// How scores are spread, the threshold upon them, and the slider that moves it.

const WIDE = 720;
const HIGH = 120;
const STEPS = 1000;

class Chart {
  constructor(move) {
    this.move = move;
    this.bars = make("path", { class: "dm-bar-stays" });
    this.goes = make("path", { class: "dm-bar-goes" });
    this.clip = make("rect", { x: 0, y: 0, width: WIDE, height: HIGH });
    this.line = make("line", { class: "dm-threshold", y1: 0, y2: HIGH });
    this.svg = make(
      "svg",
      { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", class: "dm-histogram", role: "img" },
      this.bars,
      this.goes,
      this.line,
    );
    this.slider = make("input", {
      type: "range", min: 0, max: STEPS, step: 1, "aria-label": "Threshold",
      "data-lm-suppress-shortcuts": "true",
      oninput: () => this.move(this.valueAt(Number(this.slider.value))),
    });
    this.number = make("input", {
      type: "number", max: 1, step: 0.001, "aria-label": "Threshold as a number",
      "data-lm-suppress-shortcuts": "true",
      onchange: () => this.typed(),
    });
    this.low = make("span", {});
    this.note = make("span", { class: "dm-note" });
    const scale = make("div", { class: "dm-scale", "aria-hidden": "true" }, this.low, this.note, make("span", {}, "1"));
    const frame = make("div", { class: "dm-frame" }, this.svg);
    const label = make("label", { class: "dm-value" }, "Threshold", this.number);
    this.root = make("div", { class: "dm-chart" }, frame, this.slider, scale);
    this.value = label;
  }

  // What a finder found; the slider goes from its floor to 1.
  of(finder) {
    this.finder = finder;
    const { floor, bins } = finder;
    this.fixed = floor >= 1;
    this.root.hidden = this.fixed;
    this.value.hidden = this.fixed;
    this.number.min = floor;
    this.low.textContent = brief(floor);
    const most = Math.log1p(Math.max(...bins, 1));
    const step = WIDE / bins.length;
    const tops = bins.map((count) => (count ? Math.max((Math.log1p(count) / most) * (HIGH - 6), 2) : 0));
    this.tops = tops.map((top, at) => [at * step, top, step]);
    const pairs = `${grouped(finder.pairs)} scored pairs`;
    const inside = finder.grouped ? `; ${grouped(finder.grouped)} more in dense groups are not drawn` : "";
    this.note.textContent = `${pairs} by score, heights logarithmic${inside}`;
    this.svg.setAttribute("aria-label", `Histogram: ${this.note.textContent}`);
  }

  valueAt(step) {
    const { floor } = this.finder;
    return step >= STEPS ? 1 : Number((floor + ((1 - floor) * step) / STEPS).toFixed(4));
  }

  typed() {
    const value = Number(this.number.value);
    if (this.number.value === "" || !Number.isFinite(value)) return this.show(this.at);
    this.move(Math.min(Math.max(value, this.finder.floor), 1));
  }

  // The threshold as it is; without `sliding`, the slider goes there too.
  show(value, sliding = false) {
    this.at = value;
    const { floor } = this.finder;
    const share = floor < 1 ? (value - floor) / (1 - floor) : 1;
    if (!sliding) this.slider.value = Math.round(share * STEPS);
    this.slider.setAttribute("aria-valuetext", brief(value));
    if (document.activeElement !== this.number || !sliding) this.number.value = brief(value);
    const x = share * WIDE;
    this.line.setAttribute("x1", x);
    this.line.setAttribute("x2", x);
    this.bars.setAttribute("d", this.path(0, x));
    this.goes.setAttribute("d", this.path(x, WIDE));
    this.root.style.setProperty("--dm-at", share);
  }

  path(from, to) {
    const drawn = [];
    for (const [x, top, step] of this.tops) {
      const left = Math.max(x + 0.75, from);
      const right = Math.min(x + step - 0.75, to);
      if (top && right > left) drawn.push(`M${left.toFixed(1)} ${HIGH}V${(HIGH - top).toFixed(1)}H${right.toFixed(1)}V${HIGH}Z`);
    }
    return drawn.join("");
  }
}

const brief = (value) => String(Number(value.toFixed(4)));
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;

// What would go, source by source, and what is said of a source that nearly vanishes.
class Counts {
  constructor(canMove) {
    this.canMove = canMove;
    this.removed = make("strong", { class: "dm-removed" });
    this.of = make("span", { class: "dm-of" });
    this.total = make("p", { class: "dm-total" }, this.removed, this.of);
    this.alert = make("div", { class: "dm-alert", hidden: true });
    this.list = make("ul", { class: "dm-sources", "aria-label": "Rows that would go, by source" });
    this.more = make("p", { class: "dm-note" });
    this.rows = new Map();
    this.root = make("div", { class: "dm-by-source" }, this.alert, this.list, this.more);
  }

  show(counts) {
    const { removed, live, sources, others } = counts;
    this.removed.textContent = grouped(removed);
    this.of.textContent = `of ${grouped(live)} rows would go, ${percent(live ? removed / live : 0)}`;
    this.more.textContent = others ? `and ${grouped(others)} more sources` : "";
    const lines = sources.map((source) => this.line(source));
    if (lines.some((line, at) => this.list.children[at] !== line) || this.list.children.length !== lines.length) {
      this.list.replaceChildren(...lines);
    }
    this.warn(counts);
  }

  line(source) {
    if (!this.rows.has(source.name)) {
      const bar = make("span", { class: "dm-fill" });
      const numbers = make("span", { class: "dm-numbers" });
      const name = make("bdi", { class: "dm-name", title: source.name }, source.name);
      const track = make("span", { class: "dm-track", "aria-hidden": "true" }, bar);
      const line = make("li", {}, name, track, numbers);
      this.rows.set(source.name, { line, bar, numbers });
    }
    const { line, bar, numbers } = this.rows.get(source.name);
    const share = source.live ? source.removed / source.live : 0;
    bar.style.width = `${100 * share}%`;
    line.dataset.level = source.level;
    numbers.textContent = `${grouped(source.removed)} of ${grouped(source.live)}, ${percent(share)}`;
    return line;
  }

  warn({ sources, vanishing }) {
    const named = sources.filter((source) => source.level === 2);
    this.alert.hidden = !vanishing;
    if (!vanishing) return this.alert.replaceChildren();
    const names = named.flatMap((source, at) => [at ? ", " : "", make("bdi", {}, source.name)]);
    const rest = vanishing > named.length ? ` and ${grouped(vanishing - named.length)} more` : "";
    const words = vanishing === 1 ? "A source nearly vanishes: " : "Sources nearly vanish: ";
    const why = this.canMove ? ". Is the threshold too low?" : ".";
    this.alert.replaceChildren(make("strong", {}, words), ...names, rest, why);
  }
}

function words({ removed, live, sources }) {
  const gone = sources.filter((source) => source.level === 2).map((source) => source.name);
  const alarm = gone.length ? ` Warning: ${gone.join(", ")} nearly vanishes.` : "";
  return `${grouped(removed)} of ${grouped(live)} rows would go.${alarm}`;
}
