// The explorer of duplicates: what is asked of the kernel, and what is made of the answers.

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
    this.build();
    this.changes = [
      ["change:threshold", () => this.moved()],
      ["change:finder", () => this.moved()],
      ["change:_moves", () => this.threshold.recount()],
      ["change:_changed", () => this.decided()],
      ["change:_open", () => this.opened()],
      ["change:_path", () => this.showPath()],
    ];
    for (const [name, hear] of this.changes) model.on(name, hear);
    this.threshold.place(model.get("finder"), model.get("threshold"));
    this.threshold.show(this.about.first);
    this.showPath();
  }

  build() {
    const ask = (what, about) => this.ask(what, about);
    const say = (text) => this.say(text);
    this.threshold = new Threshold(this.about.finders, { ask, say, settled: () => this.walk.list({ around: true }) });
    this.walk = new Walk({ ask, say, judge: (verdict, ofHead) => this.judge(verdict, ofHead) });
    this.walk.root.addEventListener("keydown", (event) => this.key(event));
    this.made = new Decisions({ undo: () => this.undo(), drop: (at) => this.showDecisions(at) });
    const { tabs, chart, counts } = this.threshold;
    const head = make("header", {}, this.title(), tabs, chart.value, counts.total);
    const top = make("div", { class: "dm-top" }, chart.root, counts.root);
    this.live = make("p", { class: "dm-live", "aria-live": "polite" });
    this.wrong = make("p", { class: "dm-alert", role: "alert", hidden: true });
    this.root = make(
      "section",
      { class: "dm-widget dm-dups", "aria-label": "Explorer of duplicates" },
      head, this.wrong, top, this.walk.root, make("footer", {}, this.made.root, this.keys()), this.live,
    );
  }

  title() {
    const { finders, compared, old } = this.about;
    const notes = [`${grouped(compared)} rows compared${old ? ` with each other and with ${grouped(old)} of earlier ones` : ""}`];
    const copies = finders.filter((one) => one.copies);
    const told = copies.map((one) => (finders.length > 1 ? `${one.name} ${grouped(one.copies)}` : grouped(one.copies)));
    if (told.length) notes.push(`the same as another: ${told.join(", ")}`);
    return make("div", { class: "dm-title" }, make("h3", {}, "Duplicates"), make("p", { class: "dm-note" }, notes.join(" · ")));
  }

  keys() {
    const listed = KEYS.flatMap(([keys, does]) => [make("dt", {}, keys), make("dd", {}, does)]);
    const when = "Once the list of clusters, or what is open beside it, has the focus:";
    return make("details", { class: "dm-keys" }, make("summary", {}, "Keys"), make("p", { class: "dm-note" }, when), make("dl", {}, ...listed));
  }

  async load() {
    await Promise.all([this.walk.list({ around: true }), this.showDecisions()]);
    this.root.dataset.ready = "true";
  }

  close() {
    for (const [name, hear] of this.changes) this.model.off(name, hear);
    this.threshold.close();
    this.asking.close();
  }

  async ask(what, about = {}) {
    this.root.dataset.asking = Number(this.root.dataset.asking || 0) + 1;
    const answer = await this.asking.ask(what, about);
    this.root.dataset.asking -= 1;
    this.wrong.hidden = !answer.error;
    this.wrong.textContent = answer.error || "";
    return answer;
  }

  say(text) {
    this.live.textContent = text;
  }

  // ---- what is elsewhere, too ----------------------------------------------------------------

  moved() {
    this.threshold.follow(this.model.get("finder"), this.model.get("threshold"));
  }

  // By someone else, unless it is what this page opens or has opened.
  opened() {
    const row = this.model.get("_open");
    const { walk } = this;
    if (row >= 0 && !walk.reads.busy && !(walk.wanted && walk.wanted.row === row)) walk.list({ around: true }, true);
  }

  async judge(decision, ofHead) {
    if (!this.walk.isHere()) return this.say("It is still being read: nothing was decided.");
    const { cluster, wanted } = this.walk;
    const row = ofHead ? cluster.head : cluster.members[wanted.at - cluster.start];
    if (row.old) return this.say("Rows compared against always stay.");
    const other = decision === "distinct" ? cluster.head.row : undefined;
    const { counts, taken } = await this.ask("decide", { decision, row: row.row, other });
    if (!counts) return;
    this.threshold.show(counts);
    this.say(`${taken ? "Taken back" : VERDICTS[decision][2]}: ${row.id}. ${words(counts)}`);
  }

  async undo() {
    const { done, counts } = await this.ask("undo");
    if (counts) this.threshold.show(counts);
    this.say(done ? `Undone. ${words(counts)}` : "Nothing to undo.");
  }

  // The list stays as it is, so that nothing jumps away from under one's hands.
  async decided() {
    this.walk.again();
    await this.showDecisions();
    await this.threshold.again();
  }

  async showDecisions(drop) {
    const answer = await this.ask("decisions", { drop });
    if (answer.decisions) this.made.show(answer);
  }

  showPath() {
    this.made.path.textContent = this.model.get("_path");
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const { walk } = this;
    const does = {
      ArrowDown: () => walk.step(1),
      ArrowUp: () => walk.step(-1),
      j: () => walk.step(1),
      ArrowRight: () => walk.turn(1),
      ArrowLeft: () => walk.turn(-1),
      k: () => this.judge("keep", event.shiftKey),
      r: () => this.judge("remove", event.shiftKey),
      n: () => this.judge("distinct", false),
      u: () => this.undo(),
      g: () => walk.list({ fresh: true, around: true }),
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
    el.append(explorer.root);
    explorer.load();
    return () => explorer.close();
  },
};
