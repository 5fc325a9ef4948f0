// What was decided by hand, where it is written, and how to take it back.

class Decisions {
  constructor(on) {
    this.on = on;
    const key = make("kbd", { "aria-hidden": "true" }, "U");
    this.undoing = make("button", { class: "dm-quiet", onclick: () => on.undo() }, "Undo", key);
    this.title = make("summary", {});
    this.items = make("ul", { class: "dm-made" });
    this.path = make("code", { class: "dm-path" });
    const replayed = make("code", {}, "dups.mark(df, decisions=…)");
    const where = make("p", { class: "dm-note" }, "Written at once to ", this.path, "; followed by ", replayed, " and in recipes.");
    const made = make("details", { class: "dm-decisions" }, this.title, where, this.items);
    this.root = make("div", { class: "dm-foot" }, made, this.undoing);
  }

  show({ count, decisions, unknown, undo }) {
    const nothing = unknown ? `, ${grouped(unknown)} of them about rows of which nothing was found` : "";
    this.title.textContent = count ? `${grouped(count)} decided by hand${nothing}` : "Nothing decided by hand";
    const at = this.root.getRootNode().activeElement;
    const had = this.items.contains(at) || (at === this.undoing && !undo);
    this.undoing.disabled = !undo;
    this.items.replaceChildren(...decisions.map((one) => this.line(one)));
    if (had) (this.items.querySelector("button") || this.title).focus();
  }

  line({ at, decision, id, other }) {
    const of = other === null ? null : make("span", { class: "dm-note" }, "of ", make("bdi", { class: "dm-id" }, other));
    return make(
      "li",
      {},
      make("span", { class: "dm-badge", "data-fate": decision }, VERDICTS[decision][2]),
      make("bdi", { class: "dm-id" }, id),
      of,
      make("button", { class: "dm-quiet", "aria-label": `Take back: ${id}`, onclick: () => this.on.drop(at) }, "Take back"),
    );
  }
}
