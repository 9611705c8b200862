import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type LegendEntry, PLOT_CSS, type PlotContext, type PlotTable } from '../../../dist/report/plots/index.js';
import { PLOT } from '../../../src/report/browser/plot-library.js';
import { Table } from '../parts.js';

/** Narrowest and widest that a plot is drawn, in CSS pixels. */
const NARROWEST = 280;
const WIDEST = 1100;

/** A plot with its legend, and its numbers as a table. It is as wide as there is room. */
export function Drawing({
  title,
  when,
  draw,
  legend,
  table,
}: {
  readonly title: string;
  /** What the plot shows: it is drawn anew as one of them changes. */
  readonly when: readonly unknown[];
  readonly draw: (context: PlotContext) => unknown;
  readonly legend: readonly LegendEntry[];
  readonly table: PlotTable;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  useEffect(() => {
    if (width > 0) place.current?.replaceChildren(draw({ Plot: PLOT, width }) as Node);
  }, [...when, width]);
  return (
    <figure class="drawing">
      <style>{PLOT_CSS}</style>
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <div ref={place} />
      <ul class="plot-legend">
        {legend.map(({ mark, label }) => (
          <li key={label}>
            <svg width="12" height="12" aria-hidden="true">
              <rect width="12" height="12" style={{ fill: mark }} />
            </svg>
            {label}
          </li>
        ))}
      </ul>
      <details>
        <summary>The numbers of this plot</summary>
        <Table caption={title} columns={table.columns} rows={table.rows} />
        {table.note !== undefined && <p>{table.note}</p>}
      </details>
    </figure>
  );
}

/** Room for a plot, followed as the window changes. */
function useWidth(place: { readonly current: HTMLDivElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      const room = Math.floor(entry?.contentRect.width ?? 0);
      setWidth(Math.max(NARROWEST, Math.min(room, WIDEST)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}
