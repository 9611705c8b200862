import type { PlotLibrary } from '../plots/context.js';
import { type FigureName, kindOf } from '../plots/figures.js';
import type { StepRange } from '../plots/step-bins.js';

interface Timed {
  readonly decisions: number;
  readonly perBin: number;
}

interface Scaled extends Element {
  scale(name: string): { invert(pixel: number): number } | undefined;
}

/** Fewest bins of a timeline that a zoomed figure shows. */
const LEAST_BINS = 8;

/**
 * Gives a figure its buttons, and a drag across it that zooms: it is drawn again from the data of the page, as wide as its place, and
 * its table says what is drawn.
 */
export function startZoom(figure: HTMLElement, Plot: PlotLibrary): void {
  const kind = kindOf(figure.dataset.zoom as FigureName);
  const source = JSON.parse(document.getElementById(figure.dataset.source ?? '')?.textContent ?? 'null') as Timed;
  const place = figure.querySelector<HTMLElement>('.drawing');
  const buttons = figure.querySelector<HTMLElement>('.zoom');
  const said = figure.querySelector<HTMLElement>('.said');
  if (source === null || place === null || buttons === null || said === null) return;
  const whole: StepRange = { from: 0, to: source.decisions };
  const least = Math.min(source.decisions, LEAST_BINS * source.perBin);
  let range = whole;
  let svg: Scaled | undefined;

  const draw = (): void => {
    const data = kind.data(source, range);
    svg = kind.plot(data, { Plot, width: Math.max(300, place.clientWidth) }) as unknown as Scaled;
    place.replaceChildren(svg);
    showTable(figure, kind.table(data).rows);
  };
  const show = (from: number, to: number): void => {
    const length = Math.max(least, Math.min(to - from, source.decisions));
    const start = Math.max(0, Math.min(from, source.decisions - length));
    range = { from: Math.floor(start), to: Math.ceil(start + length) };
    draw();
    const all = range.from === 0 && range.to >= source.decisions;
    said.textContent = all
      ? 'All decisions are shown.'
      : `Decisions ${range.from} to ${range.to - 1} of ${source.decisions} are shown.`;
  };
  const length = (): number => range.to - range.from;
  const actions: Record<string, () => void> = {
    in: () => show(range.from + length() / 4, range.to - length() / 4),
    out: () => show(range.from - length() / 2, range.to + length() / 2),
    earlier: () => show(range.from - length() / 2, range.to - length() / 2),
    later: () => show(range.from + length() / 2, range.to + length() / 2),
    all: () => show(whole.from, whole.to),
  };
  for (const button of buttons.querySelectorAll('button')) {
    button.addEventListener('click', () => actions[button.value]?.());
  }
  buttons.hidden = false;
  followDrag(place, () => svg, show);
  draw();
}

/** Calls `show` with the decisions between which a pointer was dragged. */
function followDrag(
  place: HTMLElement,
  drawn: () => Scaled | undefined,
  show: (from: number, to: number) => void,
): void {
  let begin: number | undefined;
  const mark = document.createElement('div');
  mark.className = 'dragged';
  const at = (event: PointerEvent): number => event.clientX - place.getBoundingClientRect().left;
  place.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch' || event.button !== 0) return;
    begin = at(event);
    place.setPointerCapture(event.pointerId);
  });
  place.addEventListener('pointermove', (event) => {
    if (begin === undefined) return;
    const now = at(event);
    mark.style.left = `${Math.min(begin, now)}px`;
    mark.style.width = `${Math.abs(now - begin)}px`;
    place.append(mark);
  });
  place.addEventListener('pointercancel', () => {
    begin = undefined;
    mark.remove();
  });
  place.addEventListener('pointerup', (event) => {
    const [svg, from] = [drawn(), begin];
    begin = undefined;
    mark.remove();
    const scale = svg?.scale('x');
    if (svg === undefined || scale === undefined || from === undefined || Math.abs(at(event) - from) < 5) return;
    const box = svg.getBoundingClientRect();
    const unit = Number(svg.getAttribute('width')) / box.width;
    const left = place.getBoundingClientRect().left - box.left;
    const [low, high] = [from, at(event)]
      .sort((one, other) => one - other)
      .map((pixel) => scale.invert((pixel + left) * unit));
    show(low, high);
  });
}

/** Puts the numbers of what is drawn into the figure's table. */
function showTable(figure: HTMLElement, rows: readonly (readonly (string | number)[])[]): void {
  const body = figure.querySelector('tbody');
  body?.replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement('tr');
      line.append(
        ...row.map((value, column) => {
          const cell = document.createElement(column === 0 ? 'th' : 'td');
          if (column === 0) cell.setAttribute('scope', 'row');
          cell.textContent = `${value}`;
          return cell;
        }),
      );
      return line;
    }),
  );
}
