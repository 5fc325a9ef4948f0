// The points: where they lie, which are near, which are inside; and painting them.

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

// Discs as opacities from 0 to 256, for each of 4 x 4 places of their centre within a pixel.
function discs(radius, opacity) {
  const reach = Math.ceil(radius + 1);
  const side = 2 * reach + 1;
  const made = [];
  for (let phase = 0; phase < 16; phase++) {
    const [cx, cy] = [((phase & 3) + 0.5) / 4, ((phase >> 2) + 0.5) / 4];
    const disc = new Uint16Array(side * side);
    for (let at = 0; at < disc.length; at++) {
      const dx = (at % side) - reach + 0.5 - cx;
      const dy = Math.floor(at / side) - reach + 0.5 - cy;
      const cover = Math.min(Math.max(radius + 0.5 - Math.hypot(dx, dy), 0), 1);
      disc[at] = Math.round(256 * opacity * cover);
    }
    made.push(disc);
  }
  return { made, reach, side };
}

// Paint points into a buffer of pixels. `wanted(i)` chooses; colours are 0xBBGGRR by code.
function paint(pixels, width, height, cloud, view, colors, disc, wanted) {
  const { made, reach, side } = disc;
  const { scale, left, top } = view;
  for (let i = 0; i < cloud.count; i++) {
    const color = colors[cloud.code[i]];
    if (color < 0 || !wanted(i)) continue;
    const x = cloud.x[i] * scale + left;
    const y = cloud.y[i] * scale + top;
    const column = Math.floor(x) - reach;
    const row = Math.floor(y) - reach;
    if (column < 0 || row < 0 || column + side > width || row + side > height) continue;
    const weights = made[(((y - Math.floor(y)) * 4) << 2) | ((x - Math.floor(x)) * 4)];
    const [rb, g] = [color & 0xff00ff, color & 0x00ff00];
    for (let line = 0, at = 0; line < side; line++) {
      let target = (row + line) * width + column;
      for (let step = 0; step < side; step++, at++, target++) {
        const weight = weights[at];
        if (!weight) continue;
        const under = pixels[target];
        const rest = 256 - weight;
        const newRb = (((under & 0xff00ff) * rest + rb * weight) >>> 8) & 0xff00ff;
        const newG = (((under & 0x00ff00) * rest + g * weight) >>> 8) & 0x00ff00;
        pixels[target] = 0xff000000 | newRb | newG;
      }
    }
  }
}
