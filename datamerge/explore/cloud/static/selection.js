// The points selected: a bit for each, the first the lowest, as Python has them.

class Selection {
  constructor(model, count) {
    this.model = model;
    this.count = count;
    this.read();
  }

  read() {
    this.mask = new Uint8Array((this.count + 7) >> 3);
    this.mask.set(bytes(this.model.get("_mask")).subarray(0, this.mask.length));
    this.points = [];
    for (let i = 0; i < this.count; i++) if (this.has(i)) this.points.push(i);
  }

  has(i) {
    return (this.mask[i >> 3] >> (i & 7)) & 1;
  }

  // What comes back of it from the model is what is shown.
  change(points, how) {
    const mask = how === "set" ? new Uint8Array(this.mask.length) : this.mask.slice();
    for (const i of points) {
      if (how === "take") mask[i >> 3] &= ~(1 << (i & 7));
      else mask[i >> 3] |= 1 << (i & 7);
    }
    this.model.set("_mask", new DataView(mask.buffer));
    this.model.save_changes();
  }

  // How many of each colour, in words.
  told(codes, legend) {
    const counts = legend.map(() => 0);
    for (const i of this.points) counts[codes[i]]++;
    const by = legend.flatMap((entry, code) =>
      counts[code] ? [`${entry.label} ${grouped(counts[code])}`] : [],
    );
    return `${grouped(this.points.length)} selected: ${by.join(", ")}`;
  }
}
