import { figuresOf, QUANTITIES, type Quantity, type Sample } from './quantities.ts';

const COLUMNS = 2;
const WIDTH = 480;
const HEIGHT = 190;
// Of the lines in a panel; above them the title, below them minutes, to the left the axis.
const AREA = { left: 52, top: 42, width: 412, height: 116 };
const POINTS = 150;
const COLOURS = 6;
const STYLE = `
text{font:11px system-ui,sans-serif;fill:#333}.title{font-weight:600;font-size:12px}.paper{fill:#fff}
.warm{fill:#8882}.grid{stroke:#8884}path{fill:none;stroke-width:1.3;stroke-linejoin:round}
.c0{stroke:#0969da}.c1{stroke:#cf5a00}.c2{stroke:#1a7f37}.c3{stroke:#8250df}.c4{stroke:#bf3989}.c5{stroke:#7a6a00}
@media(prefers-color-scheme:dark){text{fill:#ccc}.paper{fill:#0d1117}.c0{stroke:#58a6ff}.c1{stroke:#f0883e}
.c2{stroke:#3fb950}.c3{stroke:#bc8cff}.c4{stroke:#f778ba}.c5{stroke:#d6c343}}`;

/** One SVG with a panel for each quantity, over minutes; what is not judged is grey. Fits light and dark pages. */
export function plot(
  samples: readonly Sample[],
  { title, warmUp }: { title: string; warmUp: number },
): string {
  const panels = QUANTITIES.map((quantity) => panelOf(quantity, samples, warmUp)).filter(
    (panel) => panel !== '',
  );
  const height = 34 + Math.ceil(panels.length / COLUMNS) * HEIGHT;
  const placed = panels.map((panel, index) => {
    const x = (index % COLUMNS) * WIDTH;
    return `<g transform="translate(${x} ${34 + Math.floor(index / COLUMNS) * HEIGHT})">${panel}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH} ${height}" role="img">`,
    `<title>${escapeXml(title)}</title><style>${STYLE}</style><rect class="paper" width="100%" height="100%"/>`,
    `<text class="title" x="12" y="22">${escapeXml(title)}</text>`,
    ...placed,
    '</svg>\n',
  ].join('\n');
}

function panelOf(quantity: Quantity, samples: readonly Sample[], warmUp: number): string {
  const { unit, scale, lines = COLOURS } = quantity;
  const drawn = figuresOf(quantity, samples)
    .map(({ line, figure }) => ({ line, points: thin(samples, figure, scale) }))
    .map((line) => ({ ...line, most: Math.max(0, ...line.points.map(({ value }) => value)) }))
    .sort((a, b) => b.most - a.most)
    .slice(0, lines);
  if (drawn.length === 0) return '';
  const end = Math.max(samples.at(-1)?.minute ?? 0, 0.001);
  const step = roundStep(Math.max(...drawn.map(({ most }) => most), 1e-9) / 3);
  const top = step * Math.ceil(Math.max(...drawn.map(({ most }) => most), 1e-9) / step);
  const x = (minute: number) => AREA.left + (AREA.width * minute) / end;
  const y = (value: number) => AREA.top + AREA.height * (1 - value / top);
  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => {
    const at = y(index * step).toFixed(1);
    const label = `<text x="${AREA.left - 5}" y="${Number(at) + 4}" text-anchor="end">${format(index * step)}</text>`;
    return `<path class="grid" d="M${AREA.left} ${at}h${AREA.width}"/>${label}`;
  });
  const below = AREA.top + AREA.height + 15;
  const minutes = (['start', 'middle', 'end'] as const).map((anchor, index) => {
    const minute = (end * index) / 2;
    return `<text x="${x(minute)}" y="${below}" text-anchor="${anchor}">${format(minute)} min</text>`;
  });
  return [
    `<rect class="warm" x="${AREA.left}" y="${AREA.top}" width="${x(warmUp) - AREA.left}" height="${AREA.height}"/>`,
    `<text class="title" x="12" y="14">${escapeXml(quantity.title)}${unit && `, ${unit}`}</text>`,
    ...grid,
    ...minutes,
    ...drawn.map(({ points }, index) => `<path class="c${index}" d="${pathOf(points, x, y)}"/>`),
    legend(drawn.map(({ line }) => line)),
  ].join('');
}

function legend(names: readonly string[]): string {
  let at = 12;
  return names
    .map((name, index) => {
      const x = at;
      at += 24 + name.length * 5.9;
      return `<path class="c${index}" stroke-width="3" d="M${x.toFixed(0)} 28h10"/><text x="${(x + 13).toFixed(0)}" y="32">${escapeXml(name)}</text>`;
    })
    .join('');
}

/** So many points at most, each the mean of those around it. */
function thin(
  samples: readonly Sample[],
  figure: string,
  scale: number,
): { minute: number; value: number }[] {
  const points = samples.flatMap(({ minute, figures: { [figure]: value } }) =>
    value === undefined ? [] : [{ minute, value: value / scale }],
  );
  const size = Math.ceil(points.length / POINTS);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const part = points.slice(index * size, (index + 1) * size);
    const mean = (of: (point: { minute: number; value: number }) => number) =>
      part.reduce((sum, point) => sum + of(point), 0) / part.length;
    return { minute: mean(({ minute }) => minute), value: mean(({ value }) => value) };
  });
}

/** Whole steps from point to point: a line of 150 points takes less than a kilobyte. */
function pathOf(
  points: readonly { minute: number; value: number }[],
  x: (minute: number) => number,
  y: (value: number) => number,
): string {
  let [lastX, lastY] = [0, 0];
  return points
    .map(({ minute, value }, index) => {
      const [toX, toY] = [Math.round(x(minute)), Math.round(y(value) * 2) / 2];
      const by = `${toX - lastX} ${toY - lastY}`;
      [lastX, lastY] = [toX, toY];
      return `${index === 0 ? 'M' : 'l'}${by}`;
    })
    .join('');
}

/** 1, 2 or 5 times a power of ten, at least as much as is given. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((one) => one * power >= least) ?? 10);
}

const format = (value: number) => String(Number(value.toPrecision(3)));
const escapeXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
