import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';

/** A number, exact for machines and short for people. */
export function Value({ of, as }: { readonly of: number; readonly as: (value: number) => string }): JSX.Element {
  return <data value={`${of}`}>{as(of)}</data>;
}

export const seconds = (value: number): string => `${value.toFixed(1)} s`;

/** A table with a caption. Cells that are numbers are to the right. */
export function Table({
  caption,
  columns,
  rows,
  numeric = columns.map((_, index) => index > 0),
}: {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
  readonly numeric?: readonly boolean[];
}): JSX.Element {
  const kind = (column: number): string | undefined => (numeric[column] ? 'number' : undefined);
  return (
    // A table wider than the page scrolls by itself, by keys too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map((name, column) => (
              <th key={name} scope="col" class={kind(column)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, column) =>
                column === 0 ? (
                  <th key={columns[column]} scope="row" class={kind(column)}>
                    {cell}
                  </th>
                ) : (
                  <td key={columns[column]} class={kind(column)}>
                    {cell}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A text with a button that copies it. */
export function Copyable({ name, text }: { readonly name: string; readonly text: string }): JSX.Element {
  const [state, setState] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
    } catch {
      setState('the browser refused: select the text');
    }
  };
  return (
    <div class="copyable">
      <code>{text}</code>
      <button type="button" onClick={copy} aria-label={`Copy ${name}`}>
        Copy
      </button>
      <span role="status">{state}</span>
    </div>
  );
}

/** What went wrong, for people. */
export function Fault({ message }: { readonly message: string | null }): JSX.Element {
  return (
    <div role="alert" class={message === null ? undefined : 'fault'}>
      {message?.split('\n').map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}

/** Saves a text as a file. */
export function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
