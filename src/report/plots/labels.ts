/** A point in pixels, to the right and down. */
export type Place = readonly [x: number, y: number];

/** Where a label stands: beside its point, or further off at the end of a line that leads to it. Pixels from the point. */
export interface PlacedLabel {
  readonly dx: number;
  readonly dy: number;
  readonly anchor: 'start' | 'end';
  /** Whether that line is needed: it stands off its point. */
  readonly leads: boolean;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Half the size of a point's mark, half the height of a label, and the width of a bold letter, about. */
const MARK = 6;
const HALF = 7;
const LETTER = 7;
const BESIDE = 9;

/** Where a label may stand, the nearest first: beside its point, then around it. */
const OFFSETS: readonly Place[] = [BESIDE, 22, 40]
  .flatMap((dx) => [0, -14, 14, -28, 28, -42, 42, -56, 56, -70, 70].map((dy): Place => [dx, dy]))
  .sort(([ax, ay], [bx, by]) => Math.hypot(ax, ay) - Math.hypot(bx, by));

/**
 * Labels of points, in their order: on no other label, on no point, not on `curve` where that can be, and within the panel. A label that finds no
 * such place stands beside its point.
 */
export function placedLabels(
  points: readonly { readonly at: Place; readonly name: string }[],
  curve: readonly Place[],
  { width, height }: { readonly width: number; readonly height: number },
): PlacedLabel[] {
  const taken = points.map(({ at }) => around(at, MARK));
  const drawn = along(curve).map((at) => around(at, 2));
  return points.map(({ at: [x, y], name }) => {
    const candidates = OFFSETS.flatMap(([dx, dy]) =>
      (['start', 'end'] as const).map((anchor): PlacedLabel & { readonly box: Box } => {
        const left = anchor === 'start' ? x + dx : x - dx - LETTER * name.length;
        const box = { left, right: left + LETTER * name.length, top: y + dy - HALF, bottom: y + dy + HALF };
        return { dx: anchor === 'start' ? dx : -dx, dy, anchor, leads: dy !== 0 || dx > BESIDE, box };
      }),
    );
    const within = candidates.filter(
      ({ box }) => box.left >= 0 && box.right <= width + 16 && box.top >= 0 && box.bottom <= height,
    );
    const free = within.filter(({ box }) => taken.every((other) => !meet(box, other)));
    const chosen = free.find(({ box }) => drawn.every((other) => !meet(box, other))) ?? free[0] ?? candidates[0];
    taken.push(chosen.box);
    const { dx, dy, anchor, leads } = chosen;
    return { dx, dy, anchor, leads };
  });
}

function around([x, y]: Place, half: number): Box {
  return { left: x - half, right: x + half, top: y - half, bottom: y + half };
}

function meet(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

/** Points along a line, near enough that no label fits between two. */
function along(line: readonly Place[]): Place[] {
  return line.flatMap(([x, y], index) => {
    const [nextX, nextY] = line[index + 1] ?? [x, y];
    const parts = Math.max(1, Math.ceil(Math.hypot(nextX - x, nextY - y) / MARK));
    return Array.from(
      { length: parts },
      (_, part): Place => [x + ((nextX - x) * part) / parts, y + ((nextY - y) * part) / parts],
    );
  });
}
