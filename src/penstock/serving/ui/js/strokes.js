// The ten digits as strokes, for users who do not draw. A stroke is an SVG path of our own,
// in a square of 100; the browser converts it to points.

const PATHS = [
  ["M56 14 C34 12 26 36 27 54 C28 76 38 88 52 86 C68 84 75 66 74 46 C73 28 66 15 54 14"],
  ["M38 28 L54 13 L52 88"],
  ["M29 32 C31 18 44 11 56 14 C70 18 71 32 64 43 C54 60 38 70 27 86 C42 82 58 85 74 84"],
  ["M30 22 C40 11 64 10 66 27 C67 40 55 46 44 47 C60 46 72 54 70 68 C68 86 42 92 27 79"],
  ["M40 13 C36 28 31 42 26 55 L75 53", "M63 20 C61 44 60 66 58 89"],
  ["M69 15 L37 16 C36 26 34 36 32 46 C46 40 66 42 69 60 C71 80 46 92 28 81"],
  ["M64 12 C44 26 30 46 30 66 C31 84 48 91 60 84 C73 76 71 58 58 54 C46 51 35 58 31 68"],
  ["M26 19 C42 18 58 18 74 16 C62 38 52 62 46 89"],
  ["M66 24 C58 10 36 12 35 28 C35 44 66 50 68 69 C69 88 36 92 33 72 C31 54 68 44 66 24"],
  ["M69 30 C64 12 38 12 33 30 C30 48 52 56 66 42 C69 38 69 32 69 30 C68 52 65 70 58 88"],
];
const STEP = 3;

function points(path) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  const steps = Math.ceil(drawn.getTotalLength() / STEP);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const { x, y } = drawn.getPointAtLength((step / steps) * drawn.getTotalLength());
    return [x / 100, y / 100];
  });
}

/** The strokes of a digit, 0..9, in units of the pad. */
export const digit = (value) => PATHS[value].map(points);
