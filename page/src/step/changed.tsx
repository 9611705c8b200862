import type { JSX } from 'preact';

/** A text, marked where it differs from the one before; who hears the page hears what it was. */
export function Changed({ now, before }: { readonly now: string; readonly before: string | undefined }): JSX.Element {
  if (before === undefined || before === now) return <>{now}</>;
  return (
    <mark title={`was ${before}`}>
      {now}
      <span class="heard">, was {before}</span>
    </mark>
  );
}
