// Draw a digit: all image classifiers predict it and show the relevant pixels.

import { Answers } from "./answers.js";
import { inRows, toPixels } from "./digits.js";
import { paintPixels } from "./heat.js";
import { imageSize } from "./kinds.js";
import { Newest } from "./newest.js";
import { Pad } from "./pad.js";
import { byId, element, percent } from "./page.js";
import { explain, predict } from "./server.js";
import { digit } from "./strokes.js";

const PLACES = [
  "at the top left",
  "at the top",
  "at the top right",
  "on the left",
  "in the middle",
  "on the right",
  "at the bottom left",
  "at the bottom",
  "at the bottom right",
];

/** Returns a function that repeats the requests, for a server that was down. */
export function drawPanel(models, trouble) {
  const size = imageSize(models[0]);
  const answers = new Answers(byId("draw-answers"), models, showSeen, { pictured: true });
  const pad = new Pad(byId("draw-pad"), changed, (state) => (byId("draw-pen").textContent = state));
  const newest = new Newest(work, (error) => trouble.report(error));
  const explained = new Map(); // by the model's name, of the last drawing that was explained
  let pixels = toPixels([], size);

  byId("draw-clear").addEventListener("click", () => pad.clear());
  byId("draw-undo").addEventListener("click", () => pad.undo());
  byId("draw-examples").replaceChildren(...Array.from({ length: 10 }, (_, value) => example(value, pad)));
  document.addEventListener("theme", () => showAll());
  changed();
  return changed;

  function changed() {
    pixels = toPixels(pad.strokes, size);
    byId("draw").classList.toggle("empty", !pad.strokes.length);
    newest.ask(pixels);
  }

  async function work(drawing, stale) {
    if (drawing.every((grey) => grey === 0)) return forget();
    const rows = inRows(drawing, size);
    const given = await Promise.all(models.map((model) => answered(model, rows)));
    showAll();
    if (stale()) return;
    byId("draw-spoken").textContent = models
      .map((model, at) => `${model.name}: ${given[at]?.label ?? "no prediction"}`)
      .join(", ");
    for (const model of [answers.chosen, ...models.filter((model) => model !== answers.chosen)]) {
      if (stale()) return;
      explained.set(model.name, await explain(model, rows));
      showThumbnail(model);
      if (model === answers.chosen) showSeen();
    }
    trouble.past();
  }

  async function answered(model, rows) {
    const answer = await predict(model, rows);
    answers.show(model, answer);
    return answer;
  }

  function forget() {
    explained.clear();
    models.forEach((model) => answers.show(model, null));
    byId("draw-spoken").textContent = "";
    showAll();
  }

  function showAll() {
    showSeen();
    models.forEach(showThumbnail);
  }

  function showThumbnail(model) {
    paintPixels(answers.thumbnail(model), pixels, size, weightsOf(model));
  }

  function showSeen() {
    const canvas = byId("draw-seen");
    const chosen = explained.get(answers.chosen.name);
    paintPixels(canvas, pixels, size, weightsOf(answers.chosen));
    byId("draw-caption").textContent = chosen ? `Relevant pixels for ${answers.chosen.name}` : "What the models see";
    byId("draw").querySelector(".verdict").textContent = chosen ? `“${chosen.label}”` : "the answer";
    canvas.setAttribute(
      "aria-label",
      chosen ? described(chosen, answers.chosen.name) : "What the models see: nothing yet",
    );
  }

  function weightsOf(model) {
    return explained.get(model.name)?.weights.flat() ?? null;
  }
}

function example(value, pad) {
  const button = element("button", { type: "button" }, String(value));
  button.setAttribute("aria-label", `Draw a ${value}`);
  button.addEventListener("click", () => pad.show(digit(value)));
  return button;
}

/** The weights in words: the place, of nine, with most support and most contradiction. */
function described({ label, probability, weights }, name) {
  const place = (sign) => {
    const sums = PLACES.map(() => 0);
    weights.forEach((row, y) =>
      row.forEach((weight, x) => {
        const third = (at, length) => Math.min(2, Math.floor((3 * at) / length));
        sums[3 * third(y, weights.length) + third(x, row.length)] += Math.max(0, sign * weight);
      }),
    );
    const most = Math.max(...sums);
    return most > 0 ? PLACES[sums.indexOf(most)] : "nowhere";
  };
  const places = `most support is ${place(1)}, most contradiction ${place(-1)}`;
  return `Read as ${label} (${percent(probability)}) by ${name}; ${places}`;
}
