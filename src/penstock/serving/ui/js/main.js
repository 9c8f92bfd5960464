// Loads the list of models, and opens a panel for each kind of model.

import { latentPanel } from "./latent.js";
import { drawPanel } from "./draw.js";
import { flowerPanel } from "./flower.js";
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
  panels = [
    opened("draw", "Digit", readers, drawPanel),
    opened("review", "Review", kinds.critics(models), reviewPanel),
    opened("flower", "Flower", kinds.botanists(models), flowerPanel),
    opened("latent", "Latent space", kinds.autoencoders(models), (encoders) => latentPanel(encoders, readers, trouble)),
    opened("wall", "Wall", kinds.generators(models), (generators) => wallPanel(generators, readers, trouble)),
  ].filter(Boolean);
  byId("served").textContent = about(models, panels.length);
}

/** What the server has; models of other exporters may have no panel, or no validation. */
function about(models, numPanels) {
  const names = (some) => some.map(({ name }) => name).join(", ");
  const unvalidated = models.filter(({ parameters }) => parameters.validated === "false");
  const count = models.length === 1 ? `one model: ${names(models)}.` : `${models.length} models.`;
  const told = [`This server has ${count}`];
  if (unvalidated.length) told.push(`Not validated: ${names(unvalidated)}.`);
  else if (models.length > 1) told.push("Each is one validated ONNX file that takes raw input.");
  if (!numPanels) told.push("This page has no panel for such models; use the API.");
  return told.join(" ");
}

function opened(id, name, models, panel) {
  if (!models.length) return null;
  byId(id).hidden = false;
  byId("contents").append(element("a", { href: `#${id}` }, name));
  return panel(models, trouble);
}

begin();
