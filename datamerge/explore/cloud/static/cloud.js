// The points: where they lie, which are near, which are inside.

const LAST = 65535;
const CELLS = 128; // to a side of the grid that finds what is near

class Cloud {
  constructor(count) {
    this.count = count;
    this.x = new Uint16Array(count);
    this.y = new Uint16Array(count);
    this.code = new Uint8Array(count);
  }

  put(start, positions, codes) {
    const pairs = new Uint16Array(positions.buffer, 0, codes.length * 2);
    for (let i = 0; i < codes.length; i++) {
      this.x[start + i] = pairs[2 * i];
      this.y[start + i] = LAST - pairs[2 * i + 1]; // up is up
      this.code[start + i] = codes[i];
    }
  }

  // When all points are there: the part of the plane they cover, and which lie in which cell.
  ready() {
    const { x, y, count } = this;
    this.box = { left: LAST, right: 0, top: LAST, bottom: 0 };
    const starts = new Uint32Array(CELLS * CELLS + 1);
    for (let i = 0; i < count; i++) {
      this.box.left = Math.min(this.box.left, x[i]);
      this.box.right = Math.max(this.box.right, x[i]);
      this.box.top = Math.min(this.box.top, y[i]);
      this.box.bottom = Math.max(this.box.bottom, y[i]);
      starts[this.cell(x[i], y[i]) + 1]++;
    }
    if (!count) this.box = { left: 0, right: LAST, top: 0, bottom: LAST };
    for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
    this.starts = starts.slice();
    this.order = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.order[starts[this.cell(x[i], y[i])]++] = i;
  }

  cell(x, y) {
    return (y >> 9) * CELLS + (x >> 9);
  }

  // The nearest point within a reach, all in the plane's own units; -1 if there is none.
  nearest(x, y, reach, visible) {
    const bound = (value) => Math.min(Math.max(Math.floor(value) >> 9, 0), CELLS - 1);
    let best = -1;
    let least = reach * reach;
    for (let row = bound(y - reach); row <= bound(y + reach); row++) {
      for (let column = bound(x - reach); column <= bound(x + reach); column++) {
        const cell = row * CELLS + column;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const i = this.order[at];
          const away = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
          if (away <= least && visible[this.code[i]]) [best, least] = [i, away];
        }
      }
    }
    return best;
  }

  // Visible points within a closed outline of [x, y] pairs: those with an odd number of crossings.
  within(outline, visible) {
    const found = [];
    const xs = outline.map((corner) => corner[0]);
    const ys = outline.map((corner) => corner[1]);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    for (let i = 0; i < this.count; i++) {
      const [px, py] = [this.x[i], this.y[i]];
      if (px < left || px > right || py < top || py > bottom || !visible[this.code[i]]) continue;
      let inside = false;
      for (let a = 0, b = xs.length - 1; a < xs.length; b = a++) {
        const crosses = ys[a] > py !== ys[b] > py;
        if (crosses && px < ((xs[b] - xs[a]) * (py - ys[a])) / (ys[b] - ys[a]) + xs[a]) {
          inside = !inside;
        }
      }
      if (inside) found.push(i);
    }
    return found;
  }
}
