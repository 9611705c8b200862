import type { JSX } from 'preact';
import { Table } from '../parts.js';
import type { StepAnswer } from '../worker/messages.js';
import { Changed } from './changed.js';

/** Values of a tensor that are shown; the rest is counted. */
const SHOWN = 64;

type View = StepAnswer['explanation']['tensors'][number]['whole'];

/** Every tensor that each rank prepares. */
export function Tensors({
  answer,
  before,
}: {
  readonly answer: StepAnswer;
  readonly before: StepAnswer | null;
}): JSX.Element {
  const { tensors, local } = answer.explanation;
  const was = before?.explanation.tensors;
  return (
    <>
      <h3>Tensors of each rank</h3>
      {tensors.map(({ whole, parts, blockTable }, rank) => (
        <details key={rank} open={rank === 0} data-testid={`tensors of rank ${rank}`}>
          <summary>
            Rank {rank}: {local[rank]?.tokens ?? 0} tokens, padded to {local[rank]?.paddedTokens ?? 0}
          </summary>
          <Table
            caption={`Tensors of rank ${rank}`}
            columns={['tensor', 'length', 'values']}
            numeric={[false, true, false]}
            rows={[
              ...rowsOf(whole, was?.[rank]?.whole, ''),
              ...parts.flatMap((part, at) => rowsOf(part, was?.[rank]?.parts[at], ` of part ${at}`)),
              ...blockTable.map((row, at) => [
                `blockTable row ${at}`,
                `${row.length}`,
                <Changed key="v" now={listed(row)} before={listed(was?.[rank]?.blockTable[at])} />,
              ]),
            ]}
          />
        </details>
      ))}
    </>
  );
}

function rowsOf(view: View, was: View | undefined, of: string): (string | JSX.Element)[][] {
  return Object.entries(view)
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => {
      const old = was?.[name as keyof View];
      return [
        `${name}${of}`,
        <Changed key="l" now={`${values.length}`} before={old?.length.toString()} />,
        <Changed key="v" now={listed(values) ?? ''} before={listed(old)} />,
      ];
    });
}

function listed(values: readonly (number | string)[]): string;
function listed(values: readonly (number | string)[] | undefined): string | undefined;
function listed(values: readonly (number | string)[] | undefined): string | undefined {
  if (values === undefined) return undefined;
  const shown = values.slice(0, SHOWN).join(' ');
  return values.length > SHOWN ? `${shown} … ${values.length - SHOWN} more` : shown;
}
