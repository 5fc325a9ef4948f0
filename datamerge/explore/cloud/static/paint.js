// The points as pixels: which are painted in what colour, how large, over which others.

const PAD = 24; // pixels painted beyond each edge, so that discs are cut cleanly
const FRAME = 16; // milliseconds that a frame may take while the map moves

// What is kept lies beneath, and what is rare on top of all.
function rankOf({ hue, count }, all) {
  if (["kept", "missing", "other"].includes(hue)) return 0;
  return count * 100 < all ? 2 : 1;
}

// `look()` says what is to be seen: cloud, plane, colors, ground, visible, selection, bright.
class Painter {
  constructor(about, look) {
    this.look = look;
    this.rank = about.legend.map((entry) => rankOf(entry, about.count));
    this.canvas = make("canvas", { "aria-hidden": "true" });
  }

  draw(moving = false) {
    this.moving = moving;
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      const seen = this.look();
      if (seen.cloud && seen.colors && seen.plane.size.width) this.paint(seen);
    });
  }

  paint(seen) {
    const began = performance.now();
    const sharp = Math.min(devicePixelRatio || 1, 2);
    const dense = this.moving && this.cost > FRAME ? 1 : sharp;
    this.fit(seen.plane.size, dense);
    this.pixels.fill(0xff000000 | seen.ground);
    this.layers(seen, dense);
    this.canvas.getContext("2d", { alpha: false }).putImageData(this.image, -PAD, -PAD);
    performance.measure("datamerge-map-paint", { start: began });
    if (dense === sharp) this.cost = performance.now() - began;
    else this.sharpen();
  }

  fit(size, dense) {
    const [width, height] = [size.width, size.height].map((side) => Math.round(side * dense));
    if (this.image && this.canvas.width === width && this.canvas.height === height) return;
    [this.canvas.width, this.canvas.height] = [width, height];
    this.image = new ImageData(width + 2 * PAD, height + 2 * PAD);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  // While the map moves it may be painted coarsely; when it rests it is painted as it should be.
  sharpen() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.draw(), 150);
  }

  layers({ cloud, plane, colors, visible, selection, bright }, dense) {
    const growth = Math.min((plane.scale / plane.whole) ** 0.4, 4);
    const radius = Math.min(Math.max(9 / cloud.count ** 0.17, 1.15) * growth, 7) * dense;
    const opacity = Math.min(Math.max(2.2 / cloud.count ** 0.13, 0.5), 0.85);
    const view = {
      scale: plane.scale * dense,
      left: plane.left * dense + PAD,
      top: plane.top * dense + PAD,
    };
    const shown = colors.map((color, code) => (visible[code] ? color : -1));
    const layer = (disc, wanted) =>
      paint(this.pixels, this.image.width, this.image.height, cloud, view, shown, disc, wanted);
    if (bright < 0 && !selection.points.length) {
      const ranked = (rank) => (i) => this.rank[cloud.code[i]] === rank;
      layer(discs(radius, opacity * 0.7), ranked(0));
      layer(discs(radius, opacity), ranked(1));
      return layer(discs(radius * 1.5, 0.95), ranked(2));
    }
    const stands = bright >= 0 ? (i) => cloud.code[i] === bright : (i) => selection.has(i);
    layer(discs(radius, opacity * 0.18), (i) => !stands(i));
    layer(discs(radius + 0.4 * dense, Math.min(opacity + 0.25, 1)), stands);
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
