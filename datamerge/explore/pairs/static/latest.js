// One thing at a time: of what is wanted while it is being done, only the last is done.

class Latest {
  constructor(work) {
    this.work = work;
    this.next = null;
    this.idle = null;
  }

  get busy() {
    return this.idle !== null;
  }

  get again() {
    return this.next !== null;
  }

  // Kept when nothing more is to be done.
  do(wanted) {
    this.next = { wanted };
    if (!this.idle) this.idle = this.run();
    return this.idle;
  }

  async run() {
    try {
      while (this.next) {
        const { wanted } = this.next;
        this.next = null;
        await this.work(wanted);
      }
    } finally {
      this.idle = null;
    }
  }
}
