// The threshold: moved here or elsewhere, and the counts that follow it.

const SETTLED = 160; // milliseconds without a move after which clusters are listed anew

class Threshold {
  constructor(finders, { ask, say, settled }) {
    Object.assign(this, { finders, ask, say, settled });
    this.own = false; // whether this page has moved it, and not been answered yet
    this.moves = new Latest((to) => this.count(to));
    this.chart = new Chart((threshold) => this.move(threshold));
    this.counts = new Counts(finders.some(({ floor }) => floor < 1));
    this.buttons = finders.map(({ name }) => make("button", { onclick: () => this.choose(name) }, name));
    const several = finders.length > 1;
    this.tabs = several ? make("div", { class: "dm-group", role: "group", "aria-label": "Finder" }, ...this.buttons) : null;
  }

  close() {
    clearTimeout(this.timer);
  }

  place(name, threshold) {
    const at = this.finders.findIndex((finder) => finder.name === name);
    this.buttons.forEach((button, one) => button.setAttribute("aria-pressed", String(one === at)));
    this.chart.of(this.finders[at]);
    this.chart.show(threshold);
  }

  isAt(finder, threshold) {
    return this.chart.finder.name === finder && this.chart.at === threshold;
  }

  choose(finder) {
    this.own = true;
    this.moves.do({ finder });
  }

  move(threshold) {
    this.own = true;
    this.chart.show(threshold, true);
    this.moves.do({ finder: this.chart.finder.name, threshold });
  }

  async count(to) {
    const { counts, finder, threshold } = await this.ask("counts", to);
    if (counts) this.show(counts);
    if (this.moves.again) return;
    // Someone in Python may have made another threshold of it.
    if (counts && this.own && !this.isAt(finder, threshold)) this.place(finder, threshold);
    this.own = false;
    this.settle();
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.moves.busy) return;
      this.chart.show(this.chart.at, true);
      this.say(`Threshold ${brief(this.chart.at)}: ${words(this.told)}`);
      this.settled();
    }, SETTLED);
  }

  // Moved by someone else: while this page moves it, the answer tells where it is.
  follow(finder, threshold) {
    if (!this.own && !this.isAt(finder, threshold)) this.place(finder, threshold);
  }

  // The kernel has moved it; another widget of the page may have asked for that long ago.
  recount() {
    if (!this.own) this.moves.do({});
  }

  // Counts that changed for another reason; the clusters stay listed as they are.
  async again() {
    if (this.moves.busy) return;
    const { counts } = await this.ask("counts");
    if (counts) this.show(counts);
  }

  show(counts) {
    this.told = counts;
    this.counts.show(counts);
  }
}
