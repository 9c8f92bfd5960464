// A drawing pad for mouse, pen, finger and keys. It keeps strokes: lists of points in units of the pad.

import { trace } from "./digits.js";
import { colour, inside, sharp, steered } from "./page.js";

const PEN = 0.065;

export class Pad {
  strokes = [];
  #canvas;
  #changed;
  #say;
  #pointer = null;
  #pen = { at: [0.5, 0.2], down: false };

  /** @param changed is called after every change of `strokes`; `say` announces the state of the pen to screen readers */
  constructor(canvas, changed, say) {
    this.#canvas = canvas;
    this.#changed = changed;
    this.#say = say;
    this.#listen();
    new ResizeObserver(() => this.#paint()).observe(canvas);
  }

  show(strokes) {
    this.strokes = strokes;
    this.#pen.down = false;
    this.#update();
  }

  clear() {
    this.show([]);
  }

  undo() {
    this.show(this.strokes.slice(0, -1));
  }

  #listen() {
    const on = (name, listener) => this.#canvas.addEventListener(name, listener);
    on("pointerdown", (event) => this.#begin(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", () => (this.#pointer = null));
    on("pointercancel", () => (this.#pointer = null));
    on("keydown", (event) => this.#key(event));
    on("focus", () => this.#paint());
    on("blur", () => this.#paint());
    document.addEventListener("theme", () => this.#paint());
  }

  #begin(event) {
    if (event.button !== 0 || this.#pointer !== null) return;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pen.down = false;
    this.strokes = [...this.strokes, [this.#place(event)]];
    this.#update();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    this.strokes.at(-1).push(...(between.length ? between : [event]).map((one) => this.#place(one)));
    this.#update();
  }

  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [inside((clientX - left) / width), inside((clientY - top) / height)];
  }

  #key(event) {
    const moved = steered(event, this.#pen.at);
    if (moved) return this.#go(moved);
    const act = { " ": () => this.#lift(), Backspace: () => this.undo(), Delete: () => this.clear() }[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  #go(place) {
    this.#pen.at = place;
    if (!this.#pen.down) return this.#paint();
    this.strokes.at(-1).push(this.#pen.at);
    this.#update();
  }

  #lift() {
    this.#pen.down = !this.#pen.down;
    this.#say(this.#pen.down ? "Pen down" : "Pen up");
    if (!this.#pen.down) return this.#paint();
    this.strokes = [...this.strokes, [this.#pen.at]];
    this.#update();
  }

  #update() {
    this.#paint();
    this.#changed();
  }

  #paint() {
    const edge = this.#canvas.clientWidth;
    const context = sharp(this.#canvas);
    context.scale(edge, edge);
    context.strokeStyle = colour("ink");
    trace(context, this.strokes, PEN);
    if (document.activeElement === this.#canvas && this.#canvas.matches(":focus-visible")) this.#paintPen(context);
  }

  #paintPen(context) {
    context.beginPath();
    context.arc(...this.#pen.at, PEN * 0.7, 0, 2 * Math.PI);
    context.lineWidth = 0.008;
    context.strokeStyle = context.fillStyle = colour("accent");
    context.stroke();
    if (this.#pen.down) context.fill();
  }
}
