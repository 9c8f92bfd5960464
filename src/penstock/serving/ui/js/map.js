// Predictions on a plane of two features; the others have the values of the sliders.

import { rgb } from "./heat.js";
import { colour, sharp } from "./page.js";
import { infer } from "./server.js";

const CELLS = 24; // along each edge; all are predicted in one request
const SPOT = 8; // radius of the point, in pixels
const KINDS = 4; // colours of classes in the style sheet

export class FlowerMap {
  #canvas;
  #caption;
  #placed;
  #model;
  #features;
  #axes;
  #values;
  #likely = null; // [CELLS x CELLS] of probabilities, rows from above

  /** @param placed is called with pairs of feature index and value when a point is selected */
  constructor(canvas, caption, placed) {
    this.#canvas = canvas;
    this.#caption = caption;
    this.#placed = placed;
    const point = (event) => event.buttons && this.#point(event);
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", point);
    new ResizeObserver(() => this.#paint()).observe(canvas);
    document.addEventListener("theme", () => this.#paint());
  }

  take(model, features) {
    this.#model = model;
    this.#features = features;
    // The axes are the last two features.
    this.#axes = [features.length - 2, features.length - 1].map((at) => Math.max(0, at));
    this.#likely = null;
    const [right, up] = this.#axes.map((at) => features[at].name);
    this.#caption.textContent = `Horizontal: ${right}, vertical: ${up}; the colour is the prediction of ${model.name}.`;
  }

  mark(values) {
    this.#values = values;
    this.#paint();
  }

  async ask(values) {
    const model = this.#model;
    const rows = Array.from({ length: CELLS * CELLS }, (_, cell) => {
      const row = [...values];
      this.#axes.forEach((at, axis) => (row[at] = this.#value(at, this.#share(cell, axis))));
      return row;
    });
    const { probabilities } = await infer(model, rows.length, { [model.inputs[0].name]: rows.flat() });
    if (model !== this.#model) return;
    const count = model.classes.length;
    this.#likely = rows.map((_, cell) => probabilities.slice(cell * count, (cell + 1) * count));
    this.#paint();
  }

  /** Position of the centre of a cell on an axis, 0..1; rows of cells go down, the axis goes up. */
  #share(cell, axis) {
    return axis === 0 ? ((cell % CELLS) + 0.5) / CELLS : 1 - (Math.floor(cell / CELLS) + 0.5) / CELLS;
  }

  #value(at, share) {
    const { low, high } = this.#features[at];
    return low + share * (high - low);
  }

  #point({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const shares = [(clientX - left) / width, 1 - (clientY - top) / height].map((share) =>
      Math.min(1, Math.max(0, share)),
    );
    this.#placed(this.#axes.map((at, axis) => [at, this.#value(at, shares[axis])]));
  }

  #paint() {
    if (!this.#values || !this.#canvas.clientWidth) return;
    const edge = this.#canvas.clientWidth;
    const context = sharp(this.#canvas);
    if (this.#likely) {
      context.drawImage(this.#regions(), 0, 0, edge, edge);
      this.#names(context, edge);
    }
    this.#spot(context, edge);
  }

  #regions() {
    const cells = new OffscreenCanvas(CELLS, CELLS);
    const context = cells.getContext("2d");
    const image = context.createImageData(CELLS, CELLS);
    const kinds = this.#model.classes.map((_, at) => rgb(colour(`kind-${at % KINDS}`)));
    this.#likely.forEach((likely, cell) => {
      const mixed = [0, 1, 2].map((channel) => likely.reduce((sum, share, at) => sum + share * kinds[at][channel], 0));
      image.data.set([...mixed, 255], 4 * cell);
    });
    context.putImageData(image, 0, 0);
    return cells;
  }

  /** Writes the name of each class in the middle of its area. */
  #names(context, edge) {
    context.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
    context.textAlign = "center";
    const spot = this.#spotAt(edge);
    context.fillStyle = colour("ink");
    this.#model.classes.forEach((name, kind) => {
      const cells = this.#likely.flatMap((likely, cell) =>
        likely.indexOf(Math.max(...likely)) === kind ? [cell] : [],
      );
      if (cells.length < CELLS) return;
      const middle = (axis) => cells.reduce((sum, cell) => sum + this.#share(cell, axis), 0) / cells.length;
      const half = context.measureText(name).width / 2 + 6;
      const x = Math.min(edge - half, Math.max(half, middle(0) * edge));
      const y = (1 - middle(1)) * edge + 4;
      // Beside the point, if it covers the name.
      const hidden = Math.abs(spot.x - x) < half + SPOT && Math.abs(spot.y - y) < 3 * SPOT;
      context.fillText(name, x, hidden ? spot.y + 3.5 * SPOT : y);
    });
  }

  #spotAt(edge) {
    const [right, up] = this.#axes.map((at) => {
      const { low, high } = this.#features[at];
      return (this.#values[at] - low) / (high - low);
    });
    return { x: right * edge, y: (1 - up) * edge };
  }

  #spot(context, edge) {
    const { x, y } = this.#spotAt(edge);
    context.beginPath();
    context.arc(x, y, SPOT, 0, 2 * Math.PI);
    context.fillStyle = colour("ink");
    context.strokeStyle = colour("paper");
    context.lineWidth = 3;
    context.fill();
    context.stroke();
  }
}
