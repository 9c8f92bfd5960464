// What a model can do, from its inputs and outputs; names of models and datasets do not matter.

/** The first input; a model may have none. */
const input = (model) => model.inputs[0] ?? { datatype: "", shape: [] };
const gives = (model, output) => model.outputs.some(({ name }) => name === output);
const classifies = (model) => gives(model, "probabilities") && model.classes?.length > 0;
const takesImages = (model) => input(model).datatype === "UINT8" && input(model).shape.length === 3;
const takesNumbers = (model) => input(model).datatype === "FP32" && input(model).shape.length === 2;

const takesTexts = (model) => model.inputs.length === 1 && input(model).datatype === "BYTES";
const hasDigits = (model) => model.classes.every((name) => /^\d$/.test(name));
/** Whether the file's description of its input, or the name of a column, has a word. */
const isOf = (model, word) => [model.parameters.input ?? "", ...model.columns.map(({ name }) => name)].some((said) => said.includes(word));

/** Classifiers of digits, of the most frequent image shape, because one drawing is sent to all. */
export function readers(models) {
  const images = models.filter((model) => classifies(model) && takesImages(model) && hasDigits(model));
  const shapes = Map.groupBy(images, (model) => String(input(model).shape));
  return [...shapes.values()].sort((a, b) => b.length - a.length)[0] ?? [];
}

/** Classifiers of film reviews; the panel says so. */
export const critics = (models) => models.filter((model) => classifies(model) && takesTexts(model) && isOf(model, "review"));
export const botanists = (models) => models.filter((model) => classifies(model) && takesNumbers(model) && isOf(model, "petal"));
/** Autoencoders with an input for the latent shift. */
export const autoencoders = (models) =>
  models.filter(
    (model) =>
      takesImages(model) &&
      gives(model, "reconstruction") &&
      model.optional_inputs?.some(({ name }) => name === "latent_shift"),
  );
export const generators = (models) => models.filter((model) => takesNumbers(model) && gives(model, "image"));

/** Height and width of the images that a model takes or generates. */
export const imageSize = (model, tensor = input(model)) => ({ height: tensor.shape[1], width: tensor.shape[2] });
