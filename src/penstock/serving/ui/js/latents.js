// Decode arbitrary latent vectors: the autoencoder adds `latent_shift` to the latent vector of its input image.

import { infer } from "./server.js";

const SHIFT = "latent_shift";

/** Encodes images in grey levels; one list of numbers each. */
export async function latentsOf(model, images) {
  const { latent } = await infer(model, images.length, {
    [model.inputs[0].name]: images.flatMap((image) => Array.from(image)),
  });
  const length = latent.length / images.length;
  return images.map((_, row) => latent.slice(row * length, (row + 1) * length));
}

/** Decodes latent vectors to images in grey levels; `origin` is any image with its own latent vector. */
export async function imagesOf(model, latents, origin) {
  const shift = latents.flatMap((latent) => latent.map((number, at) => number - origin.latent[at]));
  const pixels = latents.flatMap(() => Array.from(origin.pixels));
  const { reconstruction } = await infer(model, latents.length, { [model.inputs[0].name]: pixels, [SHIFT]: shift });
  const area = origin.pixels.length;
  return latents.map((_, row) =>
    Uint8Array.from(reconstruction.slice(row * area, (row + 1) * area), (grey) => Math.round(255 * grey)),
  );
}

/** The weighted mean of lists of numbers. */
export const mixed = (lists, shares) =>
  lists[0].map((_, at) => lists.reduce((sum, list, which) => sum + shares[which] * list[at], 0));

/** Bilinear weights of the corners (top left, top right, bottom left, bottom right) at a point of the unit square. */
export const sharesAt = ([right, down]) => [
  (1 - right) * (1 - down),
  right * (1 - down),
  (1 - right) * down,
  right * down,
];
