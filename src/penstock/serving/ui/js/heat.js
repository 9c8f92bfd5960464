// Weights as colours: support in the accent colour, contradiction in the other one.

import { colour } from "./page.js";

// Weights are drops of log-odds; smaller maxima than this are not scaled up to the full colour.
const FAINT = 0.5;

/** The scale of the weights, so that the largest is 1 or -1. */
export const strongest = (weights) => weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), FAINT);

/** Paints grey levels 0..255 as ink on the colour `ground`, and the weights of the pixels over them. */
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
