// Preprocess a drawing like MNIST: scaled into a box of 20 x 20 pixels, anti-aliased, and moved so that its centre of
// mass is the middle of 28 x 28 (http://yann.lecun.com/exdb/mnist/).
//
// Strokes are lists of points in units of the pad. They are drawn again at the small size instead of scaling pixels, so
// that lines are equally thick for small and large drawings.

const BOX = 20 / 28; // of the image's edge
const PEN = 2.5 / 28;
const FINE = 8; // strips of a pixel that are averaged

/** Renders the strokes to grey levels 0..255, row by row: white ink on black. */
export function toPixels(strokes, { height, width }) {
  const points = strokes.flat();
  if (!points.length) return new Uint8Array(height * width);
  const edge = Math.min(height, width);
  const fitted = fit(points, edge);
  const centred = shifted(fitted, centreOfMass(render(strokes, fitted, edge, { height, width }), { height, width }), {
    height,
    width,
  });
  return render(strokes, centred, edge, { height, width });
}

/** Scale and shift from pad to pixels that fit the strokes into the box in the middle. */
function fit(points, edge) {
  const [left, right] = extent(points.map(([x]) => x));
  const [top, bottom] = extent(points.map(([, y]) => y));
  const room = (BOX - PEN) * edge;
  // A dot stays a dot.
  const scale = room / Math.max(right - left, bottom - top, 0.15);
  return { scale, x: edge / 2 - (scale * (left + right)) / 2, y: edge / 2 - (scale * (top + bottom)) / 2 };
}

const extent = (values) => [Math.min(...values), Math.max(...values)];

const shifted = (place, centre, { height, width }) => ({
  scale: place.scale,
  x: place.x + width / 2 - centre.x,
  y: place.y + height / 2 - centre.y,
});

function render(strokes, { scale, x, y }, edge, { height, width }) {
  const canvas = new OffscreenCanvas(width * FINE, height * FINE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(FINE * scale, 0, 0, FINE * scale, FINE * x, FINE * y);
  context.strokeStyle = "#fff";
  trace(context, strokes, (PEN * edge) / scale);
  return average(context.getImageData(0, 0, canvas.width, canvas.height).data, { height, width });
}

/** Draws the strokes into a context in units of the pad. */
export function trace(context, strokes, pen) {
  context.lineWidth = pen;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    // A single point is a line of length zero; its round caps make a dot.
    for (const point of stroke.length > 1 ? stroke.slice(1) : stroke) context.lineTo(...point);
    context.stroke();
  }
}

function average(rgba, { height, width }) {
  const sums = new Float64Array(height * width);
  for (let at = 3, fine = 0; at < rgba.length; at += 4, fine += 1) {
    const row = Math.floor(fine / (width * FINE * FINE));
    const column = Math.floor((fine % (width * FINE)) / FINE);
    sums[row * width + column] += rgba[at];
  }
  return Uint8Array.from(sums, (sum) => Math.round(sum / FINE ** 2));
}

/** Centre of mass of the ink, in pixels. */
export function centreOfMass(pixels, { height, width }) {
  let ink = 0,
    x = 0,
    y = 0;
  pixels.forEach((grey, at) => {
    ink += grey;
    x += grey * ((at % width) + 0.5);
    y += grey * (Math.floor(at / width) + 0.5);
  });
  return ink ? { x: x / ink, y: y / ink } : { x: width / 2, y: height / 2 };
}

/** Rows of pixels, as the server expects them. */
export const inRows = (pixels, { height, width }) =>
  Array.from({ length: height }, (_, row) => Array.from(pixels.subarray(row * width, (row + 1) * width)));
