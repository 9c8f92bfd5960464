// Interpolate between the latent vectors of four digits, and change single dimensions.

import { LatentBars } from "./latentbars.js";
import { latentsOf, imagesOf, mixed, sharesAt } from "./latents.js";
import { LatentMap } from "./latentmap.js";
import { inRows, toPixels } from "./digits.js";
import { paintPixels } from "./heat.js";
import { imageSize } from "./kinds.js";
import { Newest } from "./newest.js";
import { byId, choice, element, percent } from "./page.js";
import { predict } from "./server.js";
import { digit } from "./strokes.js";

const CORNERS = ["top left", "top right", "bottom left", "bottom right"];
const DIGITS = [3, 8, 1, 7];
const CELLS = 7; // small images along each edge of the map

/** Returns a function that repeats the requests, for a server that was down. */
export function latentPanel(models, readers, trouble) {
  const newest = new Newest(work, (error) => trouble.report(error));
  const map = new LatentMap(byId("latent-pad"), moved);
  const bars = new LatentBars(byId("latent-bars"), nudged);
  const digits = [...DIGITS];
  let model = models[0];
  let ground = null; // the corners' images and latents
  let at = [0.5, 0.5];
  let changes = []; // of single numbers of the latent
  let image = null;

  choice(
    byId("latent-models"),
    models,
    (chosen) => {
      model = chosen;
      leave();
    },
    ({ name }) => name,
  );
  byId("latent-corners").replaceChildren(...CORNERS.map((corner, which) => cornerChoice(corner, digits, which, leave)));
  byId("latent-reset").addEventListener("click", reset);
  document.addEventListener("theme", paint);
  changed();
  return changed;

  /** Drops all results when the corners or the model change. */
  function leave() {
    ground = null;
    reset();
  }

  function reset() {
    changes = [];
    changed();
  }

  function moved(point) {
    at = point;
    changed();
  }

  function nudged(which, value) {
    changes[which] = value - mixed(ground.latents, sharesAt(at))[which];
    changed();
  }

  function changed() {
    map.mark(at);
    byId("latent-reset").disabled = !changes.some(Boolean);
    newest.ask(null);
  }

  async function work(_, stale) {
    ground ??= await surveyed(model, [...digits], map);
    const here = ground;
    const latent = mixed(here.latents, sharesAt(at)).map((number, which) => Math.max(0, number + (changes[which] ?? 0)));
    [image] = await imagesOf(model, [latent], here.origin);
    if (here !== ground) return;
    paint();
    bars.show(latent, here.highest);
    if (!stale()) byId("latent-place").textContent = place(here.digits, at, changes.some(Boolean));
    if (!stale()) byId("latent-read").textContent = await read(image, imageSize(model), readers);
    trouble.past();
  }

  function paint() {
    if (image) paintPixels(byId("latent-image"), image, imageSize(model));
  }
}

/** Computes the latent vectors of the corners, and paints small decoded images on the map. */
async function surveyed(model, digits, map) {
  const size = imageSize(model);
  const pixels = digits.map((value) => toPixels(digit(value), size));
  const latents = await latentsOf(model, pixels);
  const origin = { pixels: pixels[0], latent: latents[0] };
  const share = (cell) => cell / (CELLS - 1);
  const points = Array.from({ length: CELLS * CELLS }, (_, cell) => [
    share(cell % CELLS),
    share(Math.floor(cell / CELLS)),
  ]);
  map.show(
    await imagesOf(
      model,
      points.map((point) => mixed(latents, sharesAt(point))),
      origin,
    ),
    size,
    CELLS,
  );
  return { digits, latents, origin, highest: Math.max(...latents.flat()) };
}

function cornerChoice(corner, digits, which, changed) {
  const options = Array.from({ length: 10 }, (_, value) =>
    element("option", { value, selected: value === digits[which] }, String(value)),
  );
  const select = element("select", { ariaLabel: `Digit ${corner}` }, ...options);
  select.addEventListener("change", () => {
    digits[which] = Number(select.value);
    changed();
  });
  return select;
}

/** The prediction of the first classifier of such images. */
async function read(image, size, readers) {
  const reader = readers.find((one) => imageSize(one).height === size.height && imageSize(one).width === size.width);
  if (!reader) return "";
  const { label, probabilities } = await predict(reader, inRows(image, size));
  return `${reader.name} reads a ${label}, ${percent(probabilities[label])}`;
}

/** The position on the map in words. */
function place(digits, at, changed) {
  const shares = new Map();
  sharesAt(at).forEach((share, which) => shares.set(digits[which], (shares.get(digits[which]) ?? 0) + share));
  const sorted = [...shares].filter(([, share]) => share > 0.005).sort((a, b) => b[1] - a[1]);
  const parts = sorted.map(([value, share]) => `${percent(share)} of the ${value}`);
  return `${[...parts, ...(changed ? ["and your changes"] : [])].join(", ")}.`;
}
