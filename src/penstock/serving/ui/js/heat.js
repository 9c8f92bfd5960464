// Weights as colours: what speaks for an answer in the accent colour, what speaks against it in the other one.

import { colour } from "./page.js";

// Weights are differences of log-odds; below this the largest one is not blown up to the full colour.
const FAINT = 0.5;

/** What a weight is measured by, so that the strongest of them is 1 or -1. */
export const strongest = (weights) => weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), FAINT);

/** Grey levels 0..255 as ink on paper of the colour `ground`, and over them each pixel's weight, if there are any. */
export function paintPixels(canvas, pixels, { height, width }, weights = null, ground = "seen") {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const [paper, ink, pro, contra] = [ground, "ink", "accent", "against"].map((name) => rgb(colour(name)));
  const most = weights && strongest(weights);
  pixels.forEach((grey, at) => {
    const weight = weights ? weights[at] / most : 0;
    const drawn = mix(paper, ink, (grey / 255) * (weights ? 0.55 : 1));
    image.data.set(mix(drawn, weight > 0 ? pro : contra, 0.85 * Math.abs(weight) ** 0.7), 4 * at);
    image.data[4 * at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

const mix = (from, to, share) => from.map((level, at) => level + share * (to[at] - level));

/** Red, green and blue of #rrggbb. */
export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
