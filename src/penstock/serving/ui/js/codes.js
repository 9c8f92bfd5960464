// What an autoencoder makes of codes that no image has: the code of an image it is given, moved by `code_shift`.

import { infer } from "./server.js";

const SHIFT = "code_shift";

/** Codes, a list of numbers each, of images in grey levels. */
export async function codesOf(model, images) {
  const { code } = await infer(model, images.length, {
    [model.inputs[0].name]: images.flatMap((image) => Array.from(image)),
  });
  const length = code.length / images.length;
  return images.map((_, row) => code.slice(row * length, (row + 1) * length));
}

/** Images in grey levels, one for each code; `origin` is any image, with its own code. */
export async function imagesOf(model, codes, origin) {
  const shift = codes.flatMap((code) => code.map((number, at) => number - origin.code[at]));
  const pixels = codes.flatMap(() => Array.from(origin.pixels));
  const { reconstruction } = await infer(model, codes.length, { [model.inputs[0].name]: pixels, [SHIFT]: shift });
  const area = origin.pixels.length;
  return codes.map((_, row) =>
    Uint8Array.from(reconstruction.slice(row * area, (row + 1) * area), (grey) => Math.round(255 * grey)),
  );
}

/** The mean of lists of numbers, each with its share. */
export const mixed = (lists, shares) =>
  lists[0].map((_, at) => lists.reduce((sum, list, which) => sum + shares[which] * list[at], 0));

/** Shares of the four corners, top left, top right, bottom left, bottom right, at a point of the unit square. */
export const sharesAt = ([right, down]) => [
  (1 - right) * (1 - down),
  right * (1 - down),
  (1 - right) * down,
  right * down,
];
