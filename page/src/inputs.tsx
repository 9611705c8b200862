import type { JSX } from 'preact';
import { useId } from 'preact/hooks';

/** A number with a slider over its usual range. `value` is undefined where it has its default, which `fallback` says. */
export function NumberInput({
  label,
  hint,
  value,
  fallback,
  least,
  most,
  slider,
  onChange,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly value: number | undefined;
  readonly fallback: number | null;
  readonly least: number;
  readonly most: number;
  /** Most that the slider shows; powers of two where `doubling`. */
  readonly slider: { readonly most: number; readonly doubling?: boolean };
  readonly onChange: (value: number | undefined) => void;
}): JSX.Element {
  const id = useId();
  const shown = value ?? fallback;
  const { doubling = false } = slider;
  const place = (number: number): number => (doubling ? Math.log2(Math.max(number, 1)) : number);
  const read = (text: string): void => {
    const number = Number(text);
    if (text.trim() === '') onChange(undefined);
    else if (Number.isInteger(number) && number >= least && number <= most) onChange(number);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        {...{ min: least, max: most, step: 1 }}
        value={value ?? ''}
        placeholder={fallback === null ? 'default' : `${fallback}`}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={({ currentTarget }) => read(currentTarget.value)}
      />
      <input
        type="range"
        aria-label={`${label}, slider`}
        aria-valuetext={shown === null ? 'default' : `${shown}`}
        min={place(least)}
        max={place(slider.most)}
        step={doubling ? 0.25 : 1}
        value={shown === null ? place(least) : Math.min(place(shown), place(slider.most))}
        onInput={({ currentTarget }) => {
          const at = Number(currentTarget.value);
          onChange(doubling ? Math.round(2 ** at) : at);
        }}
      />
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

/** A choice. The empty one is the default. */
export function Choice({
  label,
  value,
  options,
  none,
  onChange,
}: {
  readonly label: string;
  readonly value: string | undefined;
  readonly options: readonly string[];
  /** What the default is called; without it there is none. */
  readonly none?: string;
  readonly onChange: (value: string | undefined) => void;
}): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value ?? ''}
        onChange={({ currentTarget }) => onChange(currentTarget.value === '' ? undefined : currentTarget.value)}
      >
        {none !== undefined && <option value="">{none}</option>}
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </div>
  );
}
