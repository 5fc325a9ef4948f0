// The explorer of duplicates: what is asked of the kernel, and what is made of the answers.

const SETTLED = 160; // milliseconds without a move after which clusters are listed anew

const KEYS = [
  ["↓  ↑, J", "next cluster, the one before"],
  ["→  ←", "next duplicate in the cluster, the one before"],
  ["K", "keep the duplicate, whatever it is like"],
  ["R", "remove it"],
  ["N", "not a duplicate: this pair does not count"],
  ["Shift+K, Shift+R", "keep or remove the row that stays"],
  ["U", "undo"],
  ["G", "list the clusters anew, as they are after the decisions"],
];

class Explorer {
  constructor(model) {
    this.model = model;
    this.asking = new Asking(model);
    this.about = model.get("_about");
    this.wanted = null;
    this.busy = false;
    this.cluster = null;
    this.at = 0;
    this.build();
    this.changes = [
      ["change:threshold", () => this.moved()],
      ["change:finder", () => this.moved()],
      ["change:_changed", () => this.decided()],
      ["change:_picked", () => this.list({ around: true })],
      ["change:_path", () => this.showPath()],
    ];
    for (const [name, hear] of this.changes) model.on(name, hear);
    this.pickFinder();
    this.counts.show(this.about.first);
  }

  build() {
    const { finders, compared, old } = this.about;
    this.chart = new Chart((value) => this.move(value));
    this.counts = new Counts();
    this.lister = new List({
      open: (at) => this.open(at),
      order: (by) => this.list({ by, start: 0 }),
      page: (by) => this.turnPage(by),
      fresh: () => this.list({ fresh: true, around: true }),
    });
    this.pair = new Pair({
      judge: (verdict, head) => this.judge(verdict, head),
      turn: (by) => this.turn(by),
      pick: (at) => this.pick(at),
    });
    const notes = [`${grouped(compared)} rows compared${old ? ` with each other and with ${grouped(old)} of earlier ones` : ""}`];
    const copies = finders.filter((one) => one.copies);
    const told = copies.map((one) => (finders.length > 1 ? `${one.name} ${grouped(one.copies)}` : grouped(one.copies)));
    if (told.length) notes.push(`the same as another: ${told.join(", ")}`);
    const title = make("div", { class: "dm-title" }, make("h3", {}, "Duplicates"), make("p", { class: "dm-note" }, notes.join(" · ")));
    this.tabs = finders.map(({ name }) => make("button", { onclick: () => this.choose(name) }, name));
    const tabs = finders.length > 1 ? make("div", { class: "dm-group", role: "group", "aria-label": "Finder" }, ...this.tabs) : null;
    const head = make("header", {}, title, tabs, this.chart.value, this.counts.total);
    const top = make("div", { class: "dm-top" }, this.chart.root, this.counts.root);
    this.none = make("p", { class: "dm-note dm-none", hidden: true }, "No duplicates at this threshold.");
    this.desk = make(
      "div",
      { class: "dm-desk", role: "group", "aria-label": "Clusters. Keys, below, lists what keys do.", onkeydown: (event) => this.key(event) },
      this.lister.root,
      make("div", { class: "dm-open" }, this.none, this.pair.root),
    );
    this.live = make("p", { class: "dm-live", "aria-live": "polite" });
    this.wrong = make("p", { class: "dm-alert", role: "alert", hidden: true });
    this.root = make(
      "section",
      { class: "dm-widget dm-dups", "aria-label": "Explorer of duplicates" },
      head, this.wrong, top, this.desk, this.foot(), this.live,
    );
  }

  foot() {
    this.undoing = make("button", { class: "dm-quiet", onclick: () => this.undo() }, "Undo", make("kbd", { "aria-hidden": "true" }, "U"));
    this.made = make("summary", {});
    this.madeList = make("ul", { class: "dm-made" });
    this.path = make("code", { class: "dm-path" });
    const where = make("p", { class: "dm-note" }, "Written at once to ", this.path, "; followed by ", make("code", {}, "dups.mark(df, decisions=…)"), " and in recipes.");
    const listed = [...KEYS].flatMap(([keys, does]) => [make("dt", {}, keys), make("dd", {}, does)]);
    const keys = make("details", { class: "dm-keys" }, make("summary", {}, "Keys"), make("p", { class: "dm-note" }, "Once the list of clusters, or what is open beside it, has the focus:"), make("dl", {}, ...listed));
    const made = make("details", { class: "dm-decisions" }, this.made, where, this.madeList);
    this.showPath();
    return make("footer", {}, make("div", { class: "dm-foot" }, made, this.undoing), keys);
  }

  async load() {
    await Promise.all([this.list({ around: true }), this.showDecisions()]);
    this.root.dataset.ready = "true";
  }

  close() {
    for (const [name, hear] of this.changes) this.model.off(name, hear);
    clearTimeout(this.timer);
    this.asking.close();
  }

  async ask(what, about = {}) {
    const answer = await this.asking.ask(what, about);
    this.wrong.hidden = !answer.error;
    this.wrong.textContent = answer.error || "";
    return answer;
  }

  say(text) {
    this.live.textContent = text;
  }

  // ---- the threshold -----------------------------------------------------------------------

  pickFinder() {
    const name = this.model.get("finder");
    const { finders } = this.about;
    this.tabs.forEach((tab, at) => tab.setAttribute("aria-pressed", String(finders[at].name === name)));
    this.chart.of(finders.find((finder) => finder.name === name));
    this.chart.show(this.model.get("threshold"));
  }

  choose(name) {
    this.model.set("_mover", "");
    this.model.set("finder", name);
    this.model.save_changes();
  }

  // One question at a time; of the moves made meanwhile the last one counts.
  async move(value) {
    this.wanted = value;
    this.chart.show(value, true);
    if (this.busy) return;
    this.busy = true;
    while (this.wanted !== null) {
      const threshold = this.wanted;
      this.wanted = null;
      const { counts } = await this.ask("counts", { finder: this.chart.finder.name, threshold });
      if (counts) this.showCounts(counts);
    }
    this.busy = false;
    this.settle();
  }

  settle() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.busy) return;
      this.chart.show(this.chart.at, true);
      this.say(`Threshold ${brief(this.chart.at)}: ${this.counts.words(this.lastCounts)}`);
      this.list({ around: true });
    }, SETTLED);
  }

  // Moved by someone else: not this page's own move that comes back, maybe late.
  moved() {
    if (this.busy || this.model.get("_mover") === this.asking.name) return;
    const same = this.chart.finder.name === this.model.get("finder");
    if (same && this.chart.at === this.model.get("threshold")) return;
    this.pickFinder();
    this.refresh();
  }

  async refresh() {
    const { counts } = await this.ask("counts");
    if (counts) this.showCounts(counts);
    this.settle();
  }

  showCounts(counts) {
    this.lastCounts = counts;
    this.counts.show(counts);
  }

  // ---- clusters ----------------------------------------------------------------------------

  async list(about) {
    const number = (this.listing = (this.listing || 0) + 1);
    const answer = await this.ask("clusters", about);
    if (number !== this.listing || !answer.clusters) return;
    this.lister.show(answer);
    const { clusters } = answer;
    this.none.hidden = clusters.length > 0;
    this.pair.root.hidden = !clusters.length;
    if (!clusters.length) {
      this.cluster = null;
      return;
    }
    const held = about.around ? clusters.findIndex((cluster) => cluster.open) : -1;
    const at = about.last ? clusters.length - 1 : Math.max(held, 0);
    const opened = this.open(at, held >= 0);
    const { texts } = await this.ask("texts", { rows: clusters.map(({ row }) => row) });
    if (number === this.listing && texts) this.lister.texts(texts);
    await opened;
  }

  turnPage(by, last = false) {
    const start = this.lister.start + by * 25;
    if (start < 0 || start >= this.lister.count) return;
    this.list({ start, last });
  }

  async open(at, stay = false) {
    const cluster = this.lister.clusters[at];
    if (!cluster) return;
    this.lister.pick(at);
    const same = stay && this.cluster && this.cluster.head.row === cluster.row;
    await this.read(cluster.row, same ? null : 0, same ? this.cluster.start : 0);
    const place = this.lister.start + at + 1;
    this.say(`Cluster ${grouped(place)} of ${grouped(this.lister.count)}: ${grouped(cluster.size)} rows`);
  }

  // A member of null: the one that is shown by the time the answer is here.
  async read(row, member, start = 0) {
    const number = (this.opening = (this.opening || 0) + 1);
    const cluster = await this.ask("cluster", { row, start, open: true });
    if (number !== this.opening || !cluster.members) return;
    if (!cluster.members.length) return this.list({ around: true });
    this.cluster = cluster;
    const wanted = member === null ? this.at : member;
    await this.pick(Math.min(Math.max(wanted, 0), cluster.members.length - 1));
  }

  async pick(at) {
    const { head, members } = this.cluster;
    this.at = at;
    this.pair.show(this.cluster, at);
    const key = `${head.row} ${members[at].row}`;
    if (key === this.shown) return;
    const number = (this.reading = (this.reading || 0) + 1);
    const slow = setTimeout(() => {
      this.pair.kept.wait();
      this.pair.goes.wait();
    }, 150);
    const next = members.slice(at + 1, at + 8).map(({ row }) => row);
    const { sides, error } = await this.ask("pair", { row: head.row, other: members[at].row, next });
    clearTimeout(slow);
    if (number !== this.reading) return;
    this.shown = error ? null : key;
    this.pair.kept.say(sides && sides[0], error);
    this.pair.goes.say(sides && sides[1], error);
  }

  turn(by) {
    if (!this.cluster) return;
    const { start, count, members, head } = this.cluster;
    const at = start + this.at + by;
    if (at < 0 || at >= count) return;
    if (at >= start && at < start + members.length) this.pick(at - start);
    else this.read(head.row, by > 0 ? 0 : 24, at);
    this.say(`Duplicate ${grouped(at + 1)} of ${grouped(count)}`);
  }

  step(by) {
    const at = this.lister.at + by;
    if (at >= 0 && at < this.lister.clusters.length) this.open(at);
    else this.turnPage(by, by < 0);
  }

  // ---- decisions ---------------------------------------------------------------------------

  async judge(decision, ofHead) {
    if (!this.cluster) return;
    const { head, members } = this.cluster;
    const row = ofHead ? head : members[this.at];
    if (row.old) return;
    const other = decision === "distinct" ? head.row : undefined;
    const taken = row.verdict === decision;
    const { counts } = await this.ask("decide", { decision, row: row.row, other });
    if (!counts) return;
    this.showCounts(counts);
    this.say(`${taken ? "Taken back" : VERDICTS[decision][2]}: ${row.id}. ${this.counts.words(counts)}`);
  }

  async undo() {
    const { done, counts } = await this.ask("undo");
    if (counts) this.showCounts(counts);
    this.say(done ? `Undone. ${this.counts.words(counts)}` : "Nothing to undo.");
  }

  // The list stays as it is, so that nothing jumps away from under one's hands.
  async decided() {
    this.lister.stale.hidden = false;
    await this.showDecisions();
    if (!this.busy) {
      const { counts } = await this.ask("counts");
      if (counts) this.showCounts(counts);
    }
    if (!this.cluster) return;
    const { head, start } = this.cluster;
    const again = await this.ask("cluster", { row: head.row, start });
    if (this.cluster && this.cluster.head.row === head.row && again.members && again.members.length) {
      this.cluster = again;
      this.pair.show(again, Math.min(this.at, again.members.length - 1));
    }
  }

  async showDecisions(drop) {
    const { count, decisions, unknown, undo } = await this.ask("decisions", { drop });
    if (!decisions) return;
    const nothing = unknown ? `, ${grouped(unknown)} of them about rows of which nothing was found` : "";
    this.made.textContent = count ? `${grouped(count)} decided by hand${nothing}` : "Nothing decided by hand";
    this.undoing.disabled = !undo;
    this.madeList.replaceChildren(
      ...decisions.map((one) =>
        make(
          "li",
          {},
          make("span", { class: "dm-badge", "data-fate": one.decision }, VERDICTS[one.decision][2]),
          make("bdi", { class: "dm-id" }, one.id),
          one.other === null ? null : make("span", { class: "dm-note" }, "of ", make("bdi", { class: "dm-id" }, one.other)),
          make("button", { class: "dm-quiet", "aria-label": `Take back: ${one.id}`, onclick: () => this.showDecisions(one.at) }, "Take back"),
        ),
      ),
    );
  }

  showPath() {
    this.path.textContent = this.model.get("_path");
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const does = {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      j: () => this.step(1),
      ArrowRight: () => this.turn(1),
      ArrowLeft: () => this.turn(-1),
      k: () => this.judge("keep", event.shiftKey),
      r: () => this.judge("remove", event.shiftKey),
      n: () => this.judge("distinct", false),
      u: () => this.undo(),
      g: () => this.list({ fresh: true, around: true }),
    }[key];
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }
}

export default {
  render({ model, el }) {
    const explorer = new Explorer(model);
    explorer.lastCounts = explorer.about.first;
    el.append(explorer.root);
    explorer.load();
    return () => explorer.close();
  },
};
