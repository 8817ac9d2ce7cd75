import type { Curve } from '../measure/figures.ts';

// In the middle, so that they can be read on a light and on a dark page.
const INK = '#808890';
const GRID = '#80889044';
const COLOURS = ['#d9772b', '#4a8fd8', '#3f9f5f'];
const COLUMNS = 2;

interface Vega {
  parse(spec: object): object;
  View: new (runtime: object, options: { renderer: 'none' }) => { toSVG(): Promise<string> };
}

interface VegaLite {
  compile(spec: object): { spec: object };
}

/** All curves in one SVG picture; null where the packages that draw, those of bench/package.json, are not there. */
export async function drawCurves(curves: readonly Curve[]): Promise<string | null> {
  try {
    // Named by a variable, since the checks of the house run where they are not installed.
    const load = (name: string): Promise<unknown> => import(name);
    const { parse, View } = (await load('vega')) as Vega;
    const { compile } = (await load('vega-lite')) as VegaLite;
    const { spec } = compile(specificationOf(curves));
    return `${await new View(parse(spec), { renderer: 'none' }).toSVG()}\n`;
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

function specificationOf(curves: readonly Curve[]): object {
  const text = { labelColor: INK, titleColor: INK, labelFontSize: 11, titleFontSize: 11 };
  return {
    background: 'transparent',
    columns: COLUMNS,
    concat: curves.map(panelOf),
    resolve: { legend: { color: 'shared' } },
    config: {
      font: 'system-ui, sans-serif',
      axis: { ...text, gridColor: GRID, domainColor: GRID, tickColor: GRID },
      legend: { ...text, orient: 'bottom', title: null },
      title: { color: INK, fontSize: 12, anchor: 'start' },
      view: { stroke: null },
    },
  };
}

function panelOf({ title, unit, xAxis, series }: Curve): object {
  const values = series.flatMap(({ name, points }) => points.map((point) => ({ ...point, name })));
  const sizes = [...new Set(values.map(({ x }) => x))];
  // A logarithm has no place for nothing, and sizes that grow tenfold have none beside each other without one.
  const scale = sizes.includes(0) ? { type: 'linear' } : { type: 'log' };
  const axis = { values: sizes, labelExpr: "format(datum.value, ',')", grid: false, labelOverlap: true };
  return {
    title,
    width: 300,
    height: 170,
    data: { values },
    mark: { type: 'line', point: { size: 40 }, strokeWidth: 2 },
    encoding: {
      x: { field: 'x', type: 'quantitative', scale, axis, title: xAxis },
      y: { field: 'y', type: 'quantitative', scale: { zero: true }, axis: { tickCount: 5 }, title: unit },
      color: {
        field: 'name',
        type: 'nominal',
        scale: { domain: series.map(({ name }) => name), range: COLOURS },
      },
    },
  };
}
