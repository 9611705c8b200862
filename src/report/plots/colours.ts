/** Marks of the plots by what they stand for. Classes of `PLOT_CSS` colour them. */
export const COLOURS = {
  ours: 'var(--plot-ours)',
  other: 'var(--plot-other)',
  real: 'var(--plot-real)',
  loss: 'var(--plot-loss)',
  lossBySize: 'var(--plot-loss-size)',
  bar: 'var(--plot-bar)',
  faint: 'var(--plot-faint)',
  bad: 'var(--plot-bad)',
  paper: 'var(--plot-paper)',
  graph: 'var(--plot-graph)',
  piecewise: 'var(--plot-piecewise)',
  twin: 'var(--plot-twin)',
  ubatched: 'var(--plot-ubatched)',
  idle: 'var(--plot-idle)',
  eager: ['var(--plot-eager-0)', 'var(--plot-eager-1)', 'var(--plot-eager-2)', 'var(--plot-eager-3)'],
} as const;

/**
 * What the plots' colours are, light and dark, and their legends. The palette tells apart what people with any colour vision see.
 * Source: Okabe and Ito, Color Universal Design (2008).
 */
export const PLOT_CSS = `
:root {
  color-scheme: light dark;
  --plot-paper: #ffffff;
  --plot-ours: #0072b2;
  --plot-other: #5c5c5c;
  --plot-real: #0072b2;
  --plot-loss: #e69f00;
  --plot-loss-size: #d55e00;
  --plot-bar: #7a8794;
  --plot-faint: #c8ced4;
  --plot-bad: #d55e00;
  --plot-graph: #0072b2;
  --plot-piecewise: #56b4e9;
  --plot-ubatched: #009e73;
  --plot-twin: #cc79a7;
  --plot-idle: #c8ced4;
  --plot-eager-0: #d55e00;
  --plot-eager-1: #e69f00;
  --plot-eager-2: #f0e442;
  --plot-eager-3: #7a7a7a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --plot-paper: #15181c;
    --plot-ours: #56b4e9;
    --plot-other: #b0b6bd;
    --plot-real: #56b4e9;
    --plot-bar: #8b98a5;
    --plot-faint: #3c444d;
    --plot-graph: #3f9bd8;
    --plot-piecewise: #9fd6f5;
    --plot-idle: #3c444d;
    --plot-eager-3: #9a9a9a;
  }
}
@media print {
  :root {
    color-scheme: light;
    --plot-paper: #ffffff;
    --plot-ours: #0072b2;
    --plot-other: #5c5c5c;
    --plot-real: #0072b2;
    --plot-bar: #7a8794;
    --plot-faint: #c8ced4;
    --plot-graph: #0072b2;
    --plot-piecewise: #56b4e9;
    --plot-idle: #c8ced4;
    --plot-eager-3: #7a7a7a;
  }
}
.plot-legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; list-style: none; margin: 0.5rem 0; padding: 0; font-size: 0.875rem; }
.plot-legend li { display: flex; align-items: center; gap: 0.375rem; }
.plot-legend svg { flex: none; print-color-adjust: exact; }
`;
