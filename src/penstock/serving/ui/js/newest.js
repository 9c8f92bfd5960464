// One request at a time, and always for the newest input: older waiting inputs are dropped.

export class Newest {
  #work;
  #failed;
  #waiting = null;
  #busy = false;

  /**
   * @param work an async function of a question and of `stale`, which says whether a newer question waits
   * @param failed takes what `work` throws
   */
  constructor(work, failed) {
    this.#work = work;
    this.#failed = failed;
  }

  async ask(question) {
    this.#waiting = { question };
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#waiting) await this.#next();
    } finally {
      this.#busy = false;
    }
  }

  async #next() {
    const { question } = this.#waiting;
    this.#waiting = null;
    try {
      await this.#work(question, () => this.#waiting !== null);
    } catch (error) {
      this.#failed(error);
    }
  }
}
