// A cluster open: the kept row beside one of those that go, what differs, and what to do.

const VERDICTS = {
  keep: ["Keep", "k", "Kept by hand"],
  remove: ["Remove", "r", "Removed by hand"],
  distinct: ["Not a duplicate", "n", "Not a duplicate"],
};

class Side {
  constructor(kind, verdicts, judge) {
    this.kind = kind;
    this.badge = make("span", { class: "dm-badge" });
    this.score = make("span", { class: "dm-score" });
    this.source = make("bdi", { class: "dm-source" });
    this.id = make("bdi", { class: "dm-id" });
    this.buttons = verdicts.map((verdict) => {
      const [label, key] = VERDICTS[verdict];
      const hint = kind === "kept" ? `⇧${key.toUpperCase()}` : key.toUpperCase();
      const title = `${label} (${kind === "kept" ? "Shift+" : ""}${key.toUpperCase()})`;
      const button = make(
        "button",
        { title, class: `dm-verdict dm-is-${verdict}`, onclick: () => judge(verdict) },
        label,
        make("kbd", { "aria-hidden": "true" }, hint),
      );
      button.verdict = verdict;
      return button;
    });
    const name = kind === "kept" ? "Row that stays" : "Duplicate";
    this.text = make("div", { class: "dm-said", tabindex: "0", role: "region", "aria-label": `${name}, text` });
    const line = make("p", { class: "dm-line" }, this.badge, this.score, this.source);
    const top = make("div", { class: "dm-side-head" }, line, make("p", { class: "dm-line" }, this.id));
    const actions = make("div", { class: "dm-actions" }, ...this.buttons);
    this.root = make("article", { class: `dm-side dm-${kind}`, "aria-label": name }, top, actions, this.text);
  }

  show(row) {
    const { verdict, old } = row;
    const fate = this.kind === "kept" ? "stays" : "goes";
    this.badge.textContent = old ? "compared against" : verdict ? VERDICTS[verdict][2] : fate;
    this.badge.dataset.fate = verdict || fate;
    this.root.dataset.fate = verdict || fate;
    const score = row.score === null || row.score === undefined ? "" : row.score.toFixed(4);
    this.score.textContent = row.how === "exact" ? "same text" : row.how ? `${row.how} ${score}` : "";
    this.source.textContent = row.source;
    this.id.textContent = row.id;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.verdict === verdict));
      button.disabled = Boolean(old);
    }
  }

  wait() {
    this.text.replaceChildren(make("p", { class: "dm-note" }, "Reading …"));
  }

  say(pieces, note) {
    if (!pieces) {
      const words = note || "The text is not at hand: give the frame, explore.duplicates(dups, df=df).";
      return this.text.replaceChildren(make("p", { class: "dm-note" }, words));
    }
    let block = null;
    const blocks = [];
    for (const [kind, text] of pieces) {
      if (kind === "role") {
        blocks.push(make("p", { class: "dm-role" }, make("bdi", {}, text || "no role")));
        block = null;
        continue;
      }
      if (!block) blocks.push((block = make("div", { class: "dm-words", dir: "auto" })));
      if (kind === "only") block.append(make("mark", {}, text));
      else if (kind === "hidden") block.append(make("span", { class: "dm-hidden" }, `… ${text} characters not shown …`));
      else block.append(text);
    }
    if (!blocks.length) blocks.push(make("p", { class: "dm-note" }, "It says nothing."));
    return this.text.replaceChildren(...blocks);
  }
}

class Pair {
  constructor(on) {
    this.on = on;
    this.kept = new Side("kept", ["keep", "remove"], (verdict) => on.judge(verdict, true));
    this.goes = new Side("goes", ["keep", "remove", "distinct"], (verdict) => on.judge(verdict, false));
    this.back = make("button", { "aria-label": "Previous duplicate", title: "Previous duplicate (←)", onclick: () => on.turn(-1) }, "‹");
    this.next = make("button", { "aria-label": "Next duplicate", title: "Next duplicate (→)", onclick: () => on.turn(1) }, "›");
    this.where = make("span", { class: "dm-where" });
    this.chips = make("div", { class: "dm-chips", role: "group", "aria-label": "Duplicates by score" });
    const strip = make("div", { class: "dm-strip" }, this.back, this.where, this.next, this.chips);
    const sides = make("div", { class: "dm-sides" }, this.kept.root, this.goes.root);
    this.root = make("div", { class: "dm-pair", hidden: true }, strip, sides);
  }

  wait() {
    this.kept.wait();
    this.goes.wait();
  }

  say(sides, error) {
    this.kept.say(sides && sides[0], error);
    this.goes.say(sides && sides[1], error);
  }

  show(cluster, at) {
    const { head, members, start, count } = cluster;
    this.root.hidden = false;
    this.kept.show(head);
    this.goes.show(members[at]);
    this.where.textContent = `Duplicate ${grouped(start + at + 1)} of ${grouped(count)}`;
    this.back.disabled = start + at === 0;
    this.next.disabled = start + at + 1 >= count;
    this.showChips(members, at);
  }

  // Chips of the same rows are left in their places: one of them may have the focus.
  showChips(members, at) {
    const rows = members.map(({ row }) => row).join();
    if (rows !== this.rows) this.chips.replaceChildren(...members.map((row, one) => this.chip(row, one)));
    this.rows = rows;
    this.chips.hidden = members.length < 2;
    members.forEach(({ verdict }, one) => {
      const chip = this.chips.children[one];
      chip.setAttribute("aria-pressed", String(one === at));
      if (verdict) chip.dataset.fate = verdict;
      else delete chip.dataset.fate;
    });
    const { offsetLeft: left, offsetWidth: wide } = this.chips.children[at];
    const before = this.chips.offsetLeft;
    this.chips.scrollLeft = left - before - (this.chips.clientWidth - wide) / 2;
  }

  chip({ id, how, score }, one) {
    const label = how === "exact" ? "same" : score === null ? "…" : score.toFixed(3);
    return make("button", { class: "dm-chip", title: id, onclick: () => this.on.pick(one) }, label);
  }
}
