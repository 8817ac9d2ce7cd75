import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { GRAPHS } from '../peers/contestant.ts';
import { drainRate, figure, type Results } from './results.ts';

const TITLES = { independent: 'independent', chain: 'chain of 10', fan: 'fan 1-8-1' } as const;
const LEAST = 50;

// In the middle, so that they can be read on a light and on a dark page.
const INK = '#808890';
const GRID = '#80889044';
const COLOURS = { Holdfast: '#d9772b', floor: '#9aa4ae', peer: '#4a8fd8' } as const;

/** Steps a second of each, with the range of the rounds, as an SVG picture. */
export async function plot(results: Results): Promise<string> {
  const { spec } = compile(specification(rows(results)));
  const svg = await new View(parse(spec), { renderer: 'none' }).toSVG();
  return `${svg}\n`;
}

function rows(results: Results): object[] {
  return results.contestants.flatMap(({ name, title }) =>
    GRAPHS.flatMap((shape) => {
      const found = figure(results, name, shape, drainRate);
      if (found === null) return [];
      const kind = name.startsWith('holdfast') ? 'Holdfast' : name === 'floor' ? 'floor' : 'peer';
      const label = Math.round(found.median).toLocaleString('en');
      return [{ title, shape: TITLES[shape], kind, label, ...found }];
    }),
  );
}

function specification(values: object[]): TopLevelSpec {
  const y = { field: 'title', type: 'nominal', sort: null, title: null, axis: { labelLimit: 300 } } as const;
  const scale = { type: 'log', domainMin: LEAST, nice: true, clamp: true } as const;
  const x = { field: 'median', type: 'quantitative', scale, title: 'steps a second' } as const;
  const axis = { values: [100, 1_000, 10_000, 100_000], format: '~s' };
  return {
    background: 'transparent',
    data: { values },
    facet: { column: { field: 'shape', sort: Object.values(TITLES), title: null } },
    spec: {
      width: 210,
      height: { step: 22 },
      layer: [
        {
          mark: { type: 'bar', height: 13 },
          encoding: {
            y,
            x: { ...x, axis },
            x2: { datum: LEAST },
            color: {
              field: 'kind',
              type: 'nominal',
              legend: null,
              scale: { domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
            },
          },
        },
        {
          mark: { type: 'rule', strokeWidth: 2, color: INK },
          encoding: { y, x: { ...x, field: 'least', axis }, x2: { field: 'most' } },
        },
        {
          mark: { type: 'text', align: 'left', dx: 6, fontSize: 11, color: INK },
          encoding: { y, x: { ...x, field: 'most', axis }, text: { field: 'label' } },
        },
      ],
    },
    config: {
      font: 'system-ui, sans-serif',
      axis: {
        labelLimit: 300,
        labelColor: INK,
        titleColor: INK,
        gridColor: GRID,
        domainColor: GRID,
        tickColor: GRID,
        labelFontSize: 12,
      },
      header: { labelColor: INK, labelFontSize: 13, labelFontWeight: 'bold' },
      view: { stroke: null },
    },
  };
}
