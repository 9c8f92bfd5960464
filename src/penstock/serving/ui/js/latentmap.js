// The map between four images: select a point by mouse, pen, finger or keys.

import { paintPixels } from "./heat.js";
import { colour, inside, sharp, steered } from "./page.js";

const FAINT = 0.55;

export class LatentMap {
  #canvas;
  #moved;
  #at = [0.5, 0.5];
  #images = [];
  #size;
  #cells;

  constructor(canvas, moved) {
    this.#canvas = canvas;
    this.#moved = moved;
    const point = (event) => event.buttons && this.#moved(this.#place(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("keydown", (event) => {
      const moved = steered(event, this.#at);
      if (moved) this.#moved(moved);
    });
    new ResizeObserver(() => this.#paint()).observe(canvas);
    document.addEventListener("theme", () => this.#paint());
  }

  /** Paints small images over the map, row by row, `cells` along each edge. */
  show(images, size, cells) {
    [this.#images, this.#size, this.#cells] = [images, size, cells];
    this.#paint();
  }

  mark(at) {
    this.#at = at;
    this.#paint();
  }

  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return this.#onto([(clientX - left) / width, (clientY - top) / height]);
  }

  /** The digits of the corners are at the centres of the outermost images. */
  #onto(shares) {
    const margin = 0.5 / (this.#cells ?? Infinity);
    return shares.map((share) => inside((share - margin) / (1 - 2 * margin)));
  }

  #paint() {
    const edge = this.#canvas.clientWidth;
    if (!edge) return;
    const context = sharp(this.#canvas);
    const cell = edge / (this.#cells ?? 1);
    const small = document.createElement("canvas");
    context.globalAlpha = FAINT;
    this.#images.forEach((image, at) => {
      paintPixels(small, image, this.#size, null, "card");
      context.drawImage(small, (at % this.#cells) * cell, Math.floor(at / this.#cells) * cell, cell, cell);
    });
    context.globalAlpha = 1;
    this.#spot(context, cell, edge);
  }

  #spot(context, cell, edge) {
    const [x, y] = this.#at.map((share) => cell / 2 + share * (edge - cell));
    context.beginPath();
    context.arc(x, y, 11, 0, 2 * Math.PI);
    context.fillStyle = colour("accent");
    context.strokeStyle = colour("paper");
    context.lineWidth = 4;
    context.fill();
    context.stroke();
  }
}
