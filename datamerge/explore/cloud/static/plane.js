// Which part of the plane is in view, and how large.

class Plane {
  constructor() {
    this.size = { width: 0, height: 0 };
    [this.scale, this.left, this.top] = [1, 0, 0];
    this.moved = false; // by hand: then it is not fitted again when its room changes
  }

  // Into a room of another size: the middle stays where it is.
  room(width, height, box) {
    const [byX, byY] = [(width - this.size.width) / 2, (height - this.size.height) / 2];
    this.size = { width, height };
    if (this.moved) this.move(byX, byY);
    else this.fit(box);
  }

  // All points in view.
  fit({ left, right, top, bottom }) {
    const { width, height } = this.size;
    const across = Math.max(right - left, 1);
    const down = Math.max(bottom - top, 1);
    this.scale = Math.min((width - 40) / across, (height - 40) / down);
    this.left = width / 2 - ((left + right) / 2) * this.scale;
    this.top = height / 2 - ((top + bottom) / 2) * this.scale;
    this.whole = this.scale;
    this.moved = false;
  }

  zoom(by, x = this.size.width / 2, y = this.size.height / 2) {
    const to = Math.min(Math.max(this.scale * by, this.whole / 2), this.whole * 400);
    const ratio = to / this.scale;
    this.left = x - (x - this.left) * ratio;
    this.top = y - (y - this.top) * ratio;
    this.scale = to;
    this.moved = true;
  }

  move(byX, byY) {
    this.left += byX;
    this.top += byY;
    this.moved = true;
  }

  onScreen(x, y) {
    return [x * this.scale + this.left, y * this.scale + this.top];
  }

  onPlane([x, y]) {
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }
}
