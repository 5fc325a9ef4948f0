// What is drawn over the points: the lasso, a ring around the point meant, the cross of the keys.

class Overlay {
  constructor() {
    this.lasso = make("path", { class: "dm-lasso" });
    this.ring = make("circle", { class: "dm-ring", r: 6 });
    this.lines = make("path", { class: "dm-cross" });
    const marks = [this.lines, this.lasso, this.ring];
    this.root = make("svg", { class: "dm-overlay", "aria-hidden": "true" }, ...marks);
    this.shape(null);
    this.at(null);
    this.cross(null);
  }

  shape(corners) {
    this.lasso.setAttribute("d", corners ? `M${corners.map((c) => c.join(" ")).join("L")}Z` : "");
  }

  at(place) {
    this.ring.style.display = place ? "" : "none";
    if (!place) return;
    this.ring.setAttribute("cx", place[0]);
    this.ring.setAttribute("cy", place[1]);
  }

  cross(place) {
    if (!place) return this.lines.setAttribute("d", "");
    const [x, y] = place;
    this.lines.setAttribute("d", `M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8`);
  }
}
