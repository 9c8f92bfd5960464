// Loads the list of models, and opens a panel for each kind of model.

import { latentPanel } from "./latent.js";
import { drawPanel } from "./draw.js";
import { flowerPanel } from "./flower.js";
import { formPanel } from "./form.js";
import * as kinds from "./kinds.js";
import { byId, element } from "./page.js";
import { reviewPanel } from "./review.js";
import { servedModels } from "./server.js";
import { Trouble } from "./trouble.js";
import { wallPanel } from "./wall.js";

const trouble = new Trouble(byId("gone"), byId("token"), again);
let panels = null;

function again() {
  if (panels) panels.forEach((ask) => ask());
  else begin();
}

async function begin() {
  let models;
  try {
    models = await servedModels();
  } catch (error) {
    return trouble.report(error);
  }
  const readers = kinds.readers(models);
  const [critics, botanists] = [kinds.critics(models), kinds.botanists(models)];
  const [encoders, generators] = [kinds.autoencoders(models), kinds.generators(models)];
  const pictured = new Set([readers, critics, botanists, encoders, generators].flat());
  const others = models.filter((model) => !pictured.has(model));
  panels = [
    opened("draw", "Digit", readers, drawPanel),
    opened("review", "Review", critics, reviewPanel),
    opened("flower", "Flower", botanists, flowerPanel),
    opened("latent", "Latent space", encoders, () => latentPanel(encoders, readers, trouble)),
    opened("wall", "Wall", generators, () => wallPanel(generators, readers, trouble)),
    opened("form", "Form", others, formPanel),
  ].filter(Boolean);
  byId("served").textContent = about(models);
}

/** What the server has; models of other exporters may have no validation. */
function about(models) {
  const names = (some) => some.map(({ name }) => name).join(", ");
  const unvalidated = models.filter(({ parameters }) => parameters.validated === "false");
  const count = models.length === 1 ? `one model: ${names(models)}.` : `${models.length} models.`;
  const told = [`This server has ${count}`];
  if (unvalidated.length) told.push(`Not validated: ${names(unvalidated)}.`);
  else if (models.length > 1) told.push("Each is one validated ONNX file that takes raw input.");
  return told.join(" ");
}

function opened(id, name, models, panel) {
  if (!models.length) return null;
  byId(id).hidden = false;
  byId("contents").append(element("a", { href: `#${id}` }, name));
  return panel(models, trouble);
}

begin();
