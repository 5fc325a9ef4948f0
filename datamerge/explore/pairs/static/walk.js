// Going through the clusters: which are listed, which is open, which of its duplicates is shown.
//
// Keys and clicks change what is wanted, at once; what is shown follows when the answer is here.
// So an answer that comes late takes nobody back.

class Walk {
  constructor({ ask, say, judge }) {
    this.ask = ask;
    this.say = say;
    this.wanted = null; // the row that stays, how many go, and the place of the one to be shown
    this.cluster = null; // as it was told last
    this.listings = 0;
    this.steps = 0;
    this.reads = new Latest(() => this.read());
    this.texts = new Latest(() => this.compare());
    this.lister = new List({
      open: (at) => this.open(at),
      order: (by) => this.list({ by, start: 0 }),
      page: (by) => this.turnPage(by),
      fresh: () => this.list({ fresh: true, around: true }),
    });
    this.pair = new Pair({ judge, turn: (by) => this.turn(by), pick: (at) => this.pick(this.cluster.start + at) });
    this.none = make("p", { class: "dm-note dm-none", hidden: true }, "No duplicates at this threshold.");
    this.root = make(
      "div",
      { class: "dm-desk", role: "group", "aria-label": "Clusters. Keys, below, lists what keys do." },
      this.lister.root,
      make("div", { class: "dm-open" }, this.none, this.pair.root),
    );
  }

  // A page of clusters: with `around`, the one the open cluster is on. `follow`: Python opened it.
  async list(about, follow = false) {
    const number = ++this.listings;
    while (about.around && this.reads.busy) await this.reads.idle; // so that the kernel knows it
    const { steps } = this;
    const answer = await this.ask("clusters", about);
    if (number !== this.listings || !answer.clusters) return;
    // Someone has gone on meanwhile, maybe to where this page does not reach.
    if (about.around && steps !== this.steps) return this.list({ around: true });
    const { clusters } = answer;
    this.keepFocus(() => this.showList(answer));
    if (!clusters.length) return;
    const held = about.around ? clusters.findIndex((cluster) => cluster.open) : -1;
    const at = about.last ? clusters.length - 1 : Math.max(held, 0);
    if (follow || !about.around) this.tell(at);
    const opened = this.go(at, { stay: held >= 0, follow: follow && held >= 0 });
    const { texts } = await this.ask("texts", { rows: clusters.map(({ row }) => row) });
    if (number === this.listings && texts) this.lister.texts(texts);
    await opened;
  }

  turnPage(by, last = false) {
    const start = this.lister.start + by * 25;
    if (start >= 0 && start < this.lister.count) this.list({ start, last });
  }

  showList(answer) {
    this.lister.show(answer);
    const nothing = !answer.clusters.length;
    this.none.hidden = !nothing;
    if (!nothing) return;
    this.wanted = this.cluster = null;
    this.pair.root.hidden = true;
  }

  open(at) {
    this.steps += 1;
    this.tell(at);
    return this.go(at);
  }

  tell(at) {
    const { clusters, start, count } = this.lister;
    if (clusters[at]) this.say(`Cluster ${grouped(start + at + 1)} of ${grouped(count)}: ${grouped(clusters[at].size)} rows`);
  }

  // To a cluster of the list; `stay` with the duplicate that is shown, if it is open already.
  async go(at, { stay = false, follow = false } = {}) {
    const cluster = this.lister.clusters[at];
    if (!cluster) return;
    this.lister.pick(at);
    const same = stay && this.wanted && this.wanted.row === cluster.row;
    this.wanted = { row: cluster.row, count: cluster.size - 1, at: same ? this.wanted.at : 0, open: !follow };
    if (this.isHere()) this.show();
    await this.reads.do();
  }

  step(by) {
    const at = this.lister.at + by;
    if (at >= 0 && at < this.lister.clusters.length) this.open(at);
    else this.turnPage(by, by < 0);
  }

  turn(by) {
    if (this.wanted) this.pick(this.wanted.at + by);
  }

  // To a duplicate, by its place in the whole cluster.
  pick(at) {
    const { wanted } = this;
    if (!wanted || at < 0 || at >= wanted.count) return;
    wanted.at = at;
    this.say(`Duplicate ${grouped(at + 1)} of ${grouped(wanted.count)}`);
    if (this.isHere()) this.show();
    else this.reads.do();
  }

  // Whether the kernel has told of what is wanted; only then it is what the page shows.
  isHere() {
    const { wanted, cluster } = this;
    if (!wanted || !cluster || cluster.head.row !== wanted.row) return false;
    return wanted.at >= cluster.start && wanted.at < cluster.start + cluster.members.length;
  }

  again() {
    this.lister.stale.hidden = false;
    return this.wanted ? this.reads.do() : null;
  }

  async read() {
    const { wanted } = this;
    if (!wanted) return;
    const { row, at, open } = wanted;
    wanted.open = false;
    const cluster = await this.ask("cluster", { row, start: at, open });
    if (wanted !== this.wanted || !cluster.members) return;
    // It is no cluster any more. The list waits for what is read, so it is not waited for here.
    if (!cluster.members.length) return void this.list({ around: true });
    this.cluster = cluster;
    wanted.row = cluster.head.row;
    wanted.count = cluster.count;
    wanted.at = Math.min(wanted.at, cluster.count - 1);
    if (this.isHere()) this.show();
    else void this.reads.do();
  }

  show() {
    const at = this.wanted.at - this.cluster.start;
    this.keepFocus(() => this.pair.show(this.cluster, at));
    this.texts.do();
  }

  async compare() {
    if (!this.isHere()) return;
    const { head, members, start } = this.cluster;
    const at = this.wanted.at - start;
    const key = `${head.row} ${members[at].row}`;
    if (key === this.compared) return;
    const slow = setTimeout(() => {
      this.compared = null;
      this.pair.wait();
    }, 150);
    const next = members.slice(at + 1, at + 8).map(({ row }) => row);
    const { sides, error } = await this.ask("pair", { row: head.row, other: members[at].row, next });
    clearTimeout(slow);
    if (this.texts.again) return;
    this.compared = error ? null : key;
    this.pair.say(sides, error);
  }

  // What had the focus may be gone, or can't be pressed any more: keys go on from the list.
  keepFocus(change) {
    const page = this.root.getRootNode();
    const had = this.root.contains(page.activeElement);
    change();
    const now = page.activeElement;
    if (had && (!this.root.contains(now) || now.disabled || now.closest("[hidden]"))) this.lister.items.focus({ preventScroll: true });
  }
}
